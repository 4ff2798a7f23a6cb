# SPDX-License-Identifier: Apache-2.0
"""Bundles: what is packed comes back; what is damaged, stale, hostile or for another board is refused untouched."""

import json
import stat
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import board_bundles as bundles
import numpy as np
import pytest

from boards import archive, bitfile, handoff, xclbin
from boards.archive import Content
from boards.bundle import INPUTS, MANIFEST, OUTPUTS, Bundle, open_verified, pack
from boards.manifest import Port
from hwsim import serial
from hwsim.errors import BundleError, OutputError
from hwsim.estimate import Estimate, Figure


@pytest.fixture
def good(tmp_path) -> Bundle:
    return bundles.make(tmp_path / "good.zip")


def refuse(path: Path, message: str, **wanted: str) -> None:
    """The bundle is refused with that message, and nothing new lies beside it."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(BundleError, match=message) as caught:
        open_verified(path, **wanted)
    assert "\n" not in str(caught.value)
    assert sorted(path.parent.rglob("*")) == before


def test_what_is_packed_comes_back(good, tmp_path):
    assert {name for name in good.manifest.files if not name.startswith("golden/")} == set(bundles.files())
    assert good.read("driver/driver.py") == b"# nothing\n"
    for found, expected in zip(good.golden(), bundles.golden(), strict=True):
        np.testing.assert_array_equal(found, expected)
    folder = good.unpack(tmp_path / "there")
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == sorted(
        [MANIFEST, *good.manifest.files]
    )
    assert (folder / "doubler.hwh").read_bytes() == bundles.hwh()


def test_the_same_content_is_the_same_file(good, tmp_path):
    assert bundles.make(tmp_path / "again.zip").path.read_bytes() == good.path.read_bytes()


def test_the_manifest_says_all_that_a_driver_needs(good):
    data = json.loads(zipfile.ZipFile(good.path).read(MANIFEST))
    assert data["clock_mhz"] == 100.0
    assert data["tlast"] == "frames_per_packet"
    assert data["input"] == serial.to_json(bundles.PORT)
    assert data["files"]["doubler.bit"]["sha256"] == Content.of(bundles.bit()).sha256
    assert good.manifest.input.bytes_per_image == 4


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "C:\\x", ".bashrc", "a//b", "", "a/./b", "ä"])
def test_a_name_that_leads_elsewhere(good, tmp_path, name):
    if name == "":
        with pytest.raises(BundleError, match="expected a plain relative name"):
            archive.check_name(name, "x.zip")
        return
    bad = bundles.rewritten(good.path, tmp_path / "bad.zip", lambda members: members.update({name: b"x"}))
    refuse(bad, "expected a plain relative name of letters, digits and")


def test_a_symbolic_link(good, tmp_path):
    link = zipfile.ZipInfo("driver/link.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(good.path, "a") as file:
        file.writestr(link, "/etc/passwd")
    refuse(good.path, "driver/link.py is no plain file but a link, folder or device")


def test_a_folder_and_a_name_that_is_both(good, tmp_path):
    bad = bundles.rewritten(good.path, tmp_path / "bad.zip", lambda members: members.update({"driver": b"x"}))
    refuse(bad, "driver is a file and a folder at once")


def test_a_changed_file(good, tmp_path):
    bad = bundles.rewritten(good.path, tmp_path / "bad.zip", lambda m: m.update({"driver/driver.py": b"# other__\n"}))
    refuse(bad, "driver/driver.py: got SHA-256 .*; expected .* as in the manifest")


def test_a_file_that_the_manifest_does_not_name(good, tmp_path):
    bad = bundles.rewritten(good.path, tmp_path / "bad.zip", lambda members: members.update({"driver/more.py": b"x"}))
    refuse(bad, "holds driver/more.py, which the manifest does not name")


def test_a_file_that_is_missing(good, tmp_path):
    bad = bundles.rewritten(good.path, tmp_path / "bad.zip", lambda members: members.pop("driver/driver.py"))
    refuse(bad, "driver/driver.py is missing")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_name_that_is_there_twice(good):
    with zipfile.ZipFile(good.path, "a") as file:
        file.writestr("driver/driver.py", "import os")
    refuse(good.path, "driver/driver.py is there twice")


def test_an_oversized_file(good, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 100)
    refuse(good.path, "got .* bytes; expected at most 0 MiB")


def test_files_that_are_too_large_together(good, monkeypatch):
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 1000)
    refuse(good.path, "unpacks to .* bytes; expected at most")


def test_too_many_files(good, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILES", 3)
    refuse(good.path, "holds 6 files; expected at most 3")


def test_a_file_that_unpacks_to_more_than_it_declares(good, tmp_path):
    def bomb(members):
        members["driver/driver.py"] = bytes(1 << 20)

    bad = bundles.rewritten(good.path, tmp_path / "bad.zip", bomb)
    data = bytearray(bad.read_bytes())
    for place in (
        data.find(b"PK\x01\x02", data.find(b"PK\x01\x02")),
        *(i for i in range(len(data)) if data.startswith(b"PK\x01\x02", i)),
    ):
        if bytes(data[place + 46 : place + 62]) == b"driver/driver.py":
            data[place + 24 : place + 28] = struct.pack("<I", 10)  # uncompressed size in the central directory
    bad.write_bytes(data)
    refuse(bad, "driver/driver.py")


def test_an_encrypted_file(good):
    data = bytearray(good.path.read_bytes())
    place = data.find(b"PK\x01\x02")
    data[place + 8] |= 1
    good.path.write_bytes(data)
    refuse(good.path, "is encrypted")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_is_cut_off(good, share):
    data = good.path.read_bytes()
    good.path.write_bytes(data[: int(share * len(data))])
    refuse(good.path, "is no zip file")


def test_every_flipped_byte_is_refused_or_harmless(good, tmp_path):
    """Flips of single bytes, spread over the whole file: either the same content comes out, or an error of ours."""
    data, expected = good.path.read_bytes(), good.manifest
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 0x55
        path = tmp_path / "flipped.zip"
        path.write_bytes(changed)
        try:
            assert open_verified(path).manifest == expected
        except BundleError:
            continue


def test_no_file_at_all(tmp_path):
    refuse(tmp_path / "nothing.zip", "cannot read \\(No such file")


def test_another_board_and_another_part(good):
    refuse(good.path, "is for board pynq-z2; expected zcu104", board="zcu104")
    refuse(good.path, "is for part xc7z020clg400-1; expected xczu7ev", part="xczu7ev-ffvc1156-2-e")
    assert open_verified(good.path, board="pynq-z2", part=bundles.PART).manifest == good.manifest


def packed(path: Path, **content: bytes) -> Bundle:
    files = {**bundles.files(), **{name.replace("_", "."): data for name, data in content.items()}}
    return pack(bundles.manifest(), files, *bundles.golden(), path)


def test_a_stale_bitstream(tmp_path):
    with pytest.raises(BundleError, match="doubler.bit is stale: got build deadbeef; expected 1a2b3c4d"):
        packed(tmp_path / "x.zip", doubler_bit=bundles.bit(build_id="deadbeef"))
    assert list(tmp_path.iterdir()) == []


def test_a_stale_bitstream_with_a_good_hash(good, tmp_path):
    def stale(members):
        members["doubler.bit"] = bundles.bit(build_id="deadbeef")
        files = json.loads(members[MANIFEST])["files"]
        files["doubler.bit"] = serial.to_json(Content.of(members["doubler.bit"]))
        bundles.with_manifest(members, files=files)

    refuse(bundles.rewritten(good.path, tmp_path / "bad.zip", stale), "is stale")


def test_a_bitstream_for_another_part(tmp_path):
    with pytest.raises(BundleError, match="is for part xczu7ev-ffvc1156-2-e; expected xc7z020clg400-1"):
        packed(tmp_path / "x.zip", doubler_bit=bundles.bit(part="xczu7ev-ffvc1156-2-e"))


def test_a_handoff_for_another_part_or_width(tmp_path):
    with pytest.raises(BundleError, match="doubler.hwh is for part 7z010clg400-1"):
        packed(tmp_path / "x.zip", doubler_hwh=bundles.hwh(device="7z010"))
    with pytest.raises(BundleError, match="c_m_axis_mm2s_tdata_width: got 32 bits; expected 16"):
        packed(tmp_path / "x.zip", doubler_hwh=bundles.hwh(32))
    with pytest.raises(BundleError, match="has no cell accelerator_0; did you mean 'accelerator_1'"):
        packed(tmp_path / "x.zip", doubler_hwh=bundles.hwh().replace(b"accelerator_0", b"accelerator_1"))


def test_a_bitstream_that_is_none():
    with pytest.raises(BundleError, match="is no .bit file"):
        bitfile.read(b"PK", "x.bit")
    with pytest.raises(BundleError, match="it is cut off"):
        bitfile.read(bundles.bit()[:-1], "x.bit")
    with pytest.raises(BundleError, match="field c of the .bit header is damaged"):
        bitfile.read(bundles.bit()[:90], "x.bit")


def test_the_header_of_a_bitstream():
    found = bitfile.read(bundles.bit(), "x.bit")
    assert (found.design, found.part, found.user_id) == ("design_1_wrapper", "7z020clg400", 0x1A2B3C4D)
    assert (found.version, found.payload_bytes) == ("2022.2", 64)


def test_a_handoff_that_is_none():
    with pytest.raises(BundleError, match="is no XML"):
        handoff.read(b"<EDKSYSTEM>", "x.hwh")
    with pytest.raises(BundleError, match="has declarations"):
        handoff.read(b'<!DOCTYPE x [<!ENTITY a "b">]><EDKSYSTEM/>', "x.hwh")
    with pytest.raises(BundleError, match="names no device"):
        handoff.read(b"<EDKSYSTEM/>", "x.hwh")


def test_what_a_handoff_says():
    found = handoff.read(bundles.hwh(), "x.hwh")
    assert (found.part, found.version, found.clock_mhz()) == ("7z020clg400-1", "2022.2", 100.0)
    assert found.addresses == {"axi_dma_0": (0x40400000, 0x10000), "accelerator_0": (0x43C00000, 0x1000)}
    with pytest.raises(BundleError, match="expected a whole number"):
        found.cell("axi_dma_0", "x").number("c_nothing", "x")


CARD = {"board": "u50", "part": "xcu50-fsvh2104-2-e", "platform": "xilinx_u50_gen3x16_xdma_5_202210_1", "wns_ns": None}


def container(build_id: str = bundles.BUILD_ID, clock_mhz: int = 100, payload: bytes = b"\1", **changes: str) -> bytes:
    about = {key: {**CARD, **changes}[key] for key in ("platform", "part")}
    return xclbin.write(
        about["platform"], about["part"], {xclbin.instance(build_id): "slimfab_kernel"}, clock_mhz, payload
    )


def test_a_bundle_for_a_card(tmp_path):
    made = pack(bundles.manifest(**CARD), {"doubler.xclbin": container()}, *bundles.golden(), tmp_path / "x.zip")
    found = open_verified(tmp_path / "x.zip", board="u50", part=CARD["part"])
    assert found.manifest == made.manifest
    assert (found.unpack(tmp_path / "out") / "doubler.xclbin").read_bytes() == container()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (container("deadbeef"), "doubler.xclbin is stale: got kernels slimfab_deadbeef; expected slimfab_1a2b3c4d"),
        (container(part="xcu55c-fsvh2892-2L-e"), "is for part xcu55c-fsvh2892-2L-e; expected xcu50-fsvh2104-2-e"),
        (container(platform="xilinx_u55c"), "is for platform xilinx_u55c; expected xilinx_u50_gen3x16_xdma_5_202210_1"),
        (container(clock_mhz=300), "got 300 MHz; expected 100 as the manifest"),
        (container(payload=b""), "holds no configuration"),
        (container()[:-1], r"expected \d+ bytes; it is damaged"),
        (bundles.bit(), "is no .xclbin file"),
    ],
)
def test_a_container_that_is_not_the_manifests(data, message, tmp_path):
    with pytest.raises(BundleError, match=message):
        pack(bundles.manifest(**CARD), {"doubler.xclbin": data}, *bundles.golden(), tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_card_without_its_container(tmp_path):
    with pytest.raises(BundleError, match="doubler.xclbin is missing; expected an .xclbin, and golden vectors"):
        pack(bundles.manifest(**CARD), bundles.files(), *bundles.golden(), tmp_path / "x.zip")


def test_golden_vectors_that_do_not_fit(tmp_path):
    inputs, outputs = bundles.golden()
    for bad, message in (
        ((inputs[:, :3], outputs), "golden/inputs.npy: got shape \\(3, 3\\); expected \\(N, 4\\)"),
        ((inputs[:2], outputs), "got 2 and 3 golden inputs and outputs"),
        ((inputs + 100, outputs), "golden/inputs.npy: holds integers outside ap_fixed<8,4"),
    ):
        with pytest.raises(BundleError, match=message):
            pack(bundles.manifest(), bundles.files(), *bad, tmp_path / "x.zip")


def test_golden_vectors_that_are_pickled(good, tmp_path):
    def pickled(members):
        members[OUTPUTS] = bundles.npy(np.array([{}], dtype=object))
        files = json.loads(members[MANIFEST])["files"]
        files[OUTPUTS] = serial.to_json(Content.of(members[OUTPUTS]))
        bundles.with_manifest(members, files=files)

    refuse(bundles.rewritten(good.path, tmp_path / "bad.zip", pickled), "is no .npy file of plain numbers")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wns_ns": -0.1}, "got a slack of -0.1 ns at 100 MHz; expected 0 or more"),
        ({"format_version": 2}, "got format version 2; expected 1"),
        ({"build_id": "xyz"}, "got build_id 'xyz'"),
        ({"name": "../x"}, "got name '../x'"),
        ({"flow": "magic"}, "got flow 'magic'; expected one of rtl, hls4ml, emulated"),
        ({"clock_mhz": 0.0}, "got clock_mhz 0.0"),
        ({"packing": "other"}, "got 'other'; expected 'first lane"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"clock_mhz": "fast"}, "clock_mhz: got 'fast'"),
    ],
)
def test_a_manifest_that_is_wrong(good, tmp_path, changes, message):
    bad = bundles.rewritten(good.path, tmp_path / "bad.zip", lambda members: bundles.with_manifest(members, **changes))
    refuse(bad, message)


def test_a_manifest_that_is_no_json(good, tmp_path):
    bad = bundles.rewritten(good.path, tmp_path / "bad.zip", lambda members: members.update({MANIFEST: b"{"}))
    refuse(bad, "manifest.json: is no JSON")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"word_bytes": 3}, "got words of 3 bytes for 2 x 8 bits"),
        ({"word_bytes": 1}, "got words of 1 bytes for 2 x 8 bits"),
        ({"beats": 3}, "got 3 beats of 2 lanes; expected 4 values in all"),
        ({"image": (4, 2, 1)}, "expected as many values"),
        ({"scale": 0.0}, "got scale 0.0"),
    ],
)
def test_a_port_that_is_impossible(fields, message):
    with pytest.raises(BundleError, match=message):
        Port(**{**serial.to_json(bundles.PORT), "shape": (4,), "image": (4, 1, 1), **fields})


def test_unpacking_over_something(good, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        good.unpack(tmp_path / "there")


def test_a_bundle_that_is_exchanged_after_it_was_verified(good, tmp_path):
    bundles.rewritten(good.path, tmp_path / "other.zip", lambda m: m.update({"driver/driver.py": b"# other__\n"}))
    good.path.write_bytes((tmp_path / "other.zip").read_bytes())
    with pytest.raises(BundleError, match="as in the manifest"):
        good.unpack(tmp_path / "there")
    assert not (tmp_path / "there").exists()
    with pytest.raises(BundleError, match="holds no file x"):
        good.read("x")
    assert INPUTS in good.manifest.files


def test_an_estimate_that_is_not_the_networks(good, tmp_path):
    assert good.estimate() is None
    figure = Figure.exact(1.0)
    mine = Estimate(
        "fpga:pynq-z2", good.manifest.model_hash, 1, 100.0, figure, figure, figure, figure, figure, figure, figure
    )

    def packed(data: bytes) -> Bundle:
        files = {**bundles.files(), "estimate.json": data}
        return pack(bundles.manifest(), files, *bundles.golden(), tmp_path / "estimated.zip")

    assert packed(json.dumps(serial.to_json(mine)).encode()).estimate() == mine
    other = json.dumps(serial.to_json(replace(mine, network_hash="f" * 16))).encode()
    with pytest.raises(BundleError, match="estimate.json: is of network ffffffffffffffff; expected 0123456789abcdef; "):
        packed(other)
    with pytest.raises(BundleError, match="estimate.json: is no JSON"):
        packed(b"{")
    with pytest.raises(BundleError, match="estimate.json: "):
        packed(b"[]")
