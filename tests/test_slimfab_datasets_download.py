# SPDX-License-Identifier: Apache-2.0
"""Downloads against a local server that can resume, stop in the middle, lie and stall."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from test_slimfab_datasets import small_idx_set

from hwsim.errors import DatasetError, OutputError
from slimfab.datasets.download import download
from slimfab.datasets.mnist import load_idx_set

CONTENT = np.random.default_rng(0).bytes(700_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.files``; the first path component says how it misbehaves."""

    def do_GET(self) -> None:
        _, manner, name = self.path.split("/")
        self.server.requests.append((manner, self.headers.get("Range")))  # type: ignore[attr-defined]
        content = self.server.files.get(name)  # type: ignore[attr-defined]
        if content is None:
            return self.send_error(404)
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if manner != "whole" else 0
        if start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if manner == "half":
            self.wfile.write(content[start : len(content) // 2])
        elif manner == "stall":
            self.wfile.write(content[start:1000])
            self.wfile.flush()
            self.server.release.wait(10)  # type: ignore[attr-defined]
        elif manner == "lie":
            self.wfile.write(b"x" * (len(content) - start))
        else:
            self.wfile.write(content[start:])

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files = {"data.bin": CONTENT}  # type: ignore[attr-defined]
    server.requests = []  # type: ignore[attr-defined]
    server.release = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.release.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def url(server: ThreadingHTTPServer, manner: str, name: str = "data.bin") -> str:
    return f"http://127.0.0.1:{server.server_port}/{manner}/{name}"


def test_a_download_arrives_whole_and_reports_progress(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    download([url(server, "good")], tmp_path / "deep" / "data.bin", SHA256, lambda *report: seen.append(report))
    assert (tmp_path / "deep" / "data.bin").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["data.bin"]
    assert seen[-1] == ("data.bin", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_the_next_address_continues_where_a_broken_one_stopped(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    target = tmp_path / "data.bin"
    download([url(server, "none", "no.bin"), url(server, "half"), url(server, "good")], target, SHA256)
    assert target.read_bytes() == CONTENT
    assert server.requests[-1] == ("good", "bytes=350000-")  # type: ignore[attr-defined]


def test_a_later_run_continues(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    target, part = tmp_path / "data.bin", tmp_path / "data.bin.part"
    with pytest.raises(DatasetError, match=r"data\.bin: download failed \(.*connection ended after 350000 of 700000"):
        download([url(server, "half")], target, SHA256)
    assert not target.exists()
    assert part.stat().st_size == 350_000
    download([url(server, "good")], target, SHA256)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("bytes_there", [1000, len(CONTENT)])
def test_servers_that_cannot_continue_start_again(
    server: ThreadingHTTPServer, tmp_path: Path, bytes_there: int
) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:bytes_there])
    download([url(server, "whole")], tmp_path / "data.bin", SHA256)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_complete_bytes_of_a_killed_run_are_used(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    download([url(server, "good")], tmp_path / "data.bin", SHA256)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_wrong_bytes_never_get_the_name(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"data\.bin: downloaded bytes have SHA-256 .*; nothing was kept"):
        download([url(server, "lie")], tmp_path / "data.bin", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_no_address_works(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    addresses = [url(server, "none", "no.bin"), "http://127.0.0.1:1/data.bin"]
    with pytest.raises(DatasetError, match=r"no\.bin: HTTP 404; http://127.0.0.1:1/data.bin: .*refused.*by hand") as e:
        download(addresses, tmp_path / "data.bin", SHA256)
    assert "\n" not in str(e.value)


def test_silence_and_slowness_end(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"download failed .*timed out"):
        download([url(server, "stall")], tmp_path / "data.bin", SHA256, stall_s=0.2)
    with pytest.raises(DatasetError, match="download exceeds 0 s; run again to continue it"):
        download([url(server, "good")], tmp_path / "data.bin", SHA256, limit_s=0)
    download([url(server, "good")], tmp_path / "data.bin", SHA256)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_folder_that_cannot_be_written(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"data\.bin\.part: cannot write \(.*\); choose a writable folder"):
        download([url(server, "good")], tmp_path / "file" / "data.bin", SHA256)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"cannot write \(No space left on device\)"):
        download([url(server, "good")], tmp_path / "data.bin", SHA256)
    assert not (tmp_path / "data.bin").exists()


def test_a_data_set_is_downloaded_once(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    spec = small_idx_set(tmp_path / "source")
    files = {path.name: path.read_bytes() for path in (tmp_path / "source").iterdir()}
    images = files.pop("train-images-idx3-ubyte")
    files["train-images-idx3-ubyte.gz"] = gzip.compress(images, mtime=0)
    server.files.update(files)  # type: ignore[attr-defined]
    spec = replace(spec, urls=(f"http://127.0.0.1:{server.server_port}/good",))
    data = load_idx_set(spec, tmp_path / "new", True, None)
    again = load_idx_set(spec, tmp_path / "new", True, None)
    assert np.array_equal(data.train.x, again.train.x)
    assert len(server.requests) == 4  # type: ignore[attr-defined]
    (tmp_path / "new" / "train-labels-idx1-ubyte.gz").unlink()
    load_idx_set(spec, tmp_path / "new", True, None)
    assert len(server.requests) == 5  # type: ignore[attr-defined]
