# SPDX-License-Identifier: Apache-2.0
"""Tables are recognised by their columns, predicted row by row, and scored as documented."""

import json
from pathlib import Path

import numpy as np
import pytest

from hwsim.errors import InputError
from hwsim.validate import Prediction, Rows, Table, read_rows, recognise, scores
from hwsim.validate.__main__ import main
from hwsim.validate.scores import as_json
from hwsim.validate.table import truth_columns
from hwsim.validate.text import lines

SHAPES = "kind,width,lut,latency\nround,2,10,1.5\nround,4,0,\nflat,8,7,9\nflat,,7,4\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def double(rows: Rows) -> dict[str, Prediction]:
    """LUTs are four times the width, give or take a fifth; a row without a width is not predicted."""
    value = 4 * rows.number("width")
    return {"lut": Prediction(value, 0.8 * value, 1.2 * value)}


def shapes_of(name: str, *more: str) -> Table:
    return Table(
        name, ("kind", "width", "lut", "latency", *more), truth_columns({"lut": "lut", "latency": "latency"}), double,
        lambda rows: np.char.add(f"{name}/", rows.text("kind")), lambda rows: rows.text("width"),
    )  # fmt: skip


def test_scores_by_slice_and_metric(tmp_path: Path) -> None:
    result = scores(shapes_of("shapes"), read_rows(write(tmp_path, SHAPES)))
    assert list(result) == ["shapes/flat", "shapes/round"]
    # predicted 8 and 16 instead of 10 and 0
    found = result["shapes/round"]["lut"]
    assert (found.n, found.unpredicted, found.exact) == (2, 0, 0.0)
    assert found.mape == pytest.approx(20.0)  # the row whose true value is 0 has no relative error
    assert found.smape == pytest.approx((200 * 2 / 18 + 200) / 2)
    assert found.r2 == pytest.approx(1 - (2**2 + 16**2) / (5**2 + 5**2))
    assert found.within_error_bar == 0.5  # 6.4 to 9.6 touches the whole number 10
    assert found.worst == (("4", 16.0, 0.0), ("2", 8.0, 10.0))


def test_what_is_not_predicted_is_counted(tmp_path: Path) -> None:
    flat = scores(shapes_of("shapes"), read_rows(write(tmp_path, SHAPES)))["shapes/flat"]
    assert (flat["lut"].n, flat["lut"].unpredicted) == (1, 1)
    assert flat["lut"].r2 is None  # one row has no spread
    assert (flat["latency"].n, flat["latency"].unpredicted, flat["latency"].smape) == (0, 2, None)


def test_zero_instead_of_zero_is_no_error(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path, "kind,width,lut,latency\na,0,0,\n"))
    assert scores(shapes_of("shapes"), rows)["shapes/a"]["lut"].smape == 0.0


def test_counts_are_compared_as_whole_numbers(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path, "kind,width,lut,latency\na,1.1,4.4,\n"))
    assert scores(shapes_of("shapes"), rows)["shapes/a"]["lut"].exact == 1.0


def test_json_holds_the_documented_fields(tmp_path: Path) -> None:
    record = as_json(scores(shapes_of("shapes"), read_rows(write(tmp_path, SHAPES))))["shapes/round"]["lut"]
    assert set(record) == {"n", "unpredicted", "mape", "smape", "r2", "within_error_bar"}


def test_text_names_the_worst_rows(tmp_path: Path) -> None:
    text = "\n".join(lines(scores(shapes_of("shapes"), read_rows(write(tmp_path, SHAPES)))))
    assert "4: 16 / 0; 2: 8 / 10" in text


def test_the_most_specific_table_is_recognised(tmp_path: Path) -> None:
    plain, wide = shapes_of("plain"), shapes_of("wide", "depth")
    assert recognise(read_rows(write(tmp_path, SHAPES)), (plain, wide)) is plain
    deep = read_rows(write(tmp_path, "depth,kind,width,lut,latency\n1,a,1,1,1\n"))
    assert recognise(deep, (plain, wide)) is wide


def test_missing_columns_are_named(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path, "kind,width\nround,2\n"))
    with pytest.raises(InputError, match="missing columns lut, latency; expected those of shapes"):
        recognise(rows, (shapes_of("shapes"),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got no rows"),
        ("a,b\n", "got no rows"),
        ("a,b\n1\n", "row 2 has 1 cells; expected 2"),
        ("a,b,a\n1,2,3\n", "got column a twice"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_rows(write(tmp_path, text))


def test_files_of_spreadsheets_are_read(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path, "\ufeffa,b\r\n1,2\r\n\r\n"))
    assert rows.number("a").tolist() == [1.0]
    assert len(rows) == 1


def test_a_cell_that_is_no_number_is_refused(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path, "a\n1\nmany\n"))
    with pytest.raises(InputError, match="a: got 'many' in row 3"):
        rows.number("a")


def test_command_reports_errors_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write(tmp_path, "dataset,design\nx,y\n"))]) == 2
    error = capsys.readouterr().err
    assert "missing columns" in error
    assert error.count("\n") == 1


def test_command_writes_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = (
        "dataset,design,topology,layer_type,n_in,n_out,seq_len,weight_bits,precision_note,reuse_factor,strategy,io_type,"
        "clk_target_ns,lat_max_cycles"
    )
    row = "made_up,one,,dense,16,8,,8,lecun_uniform,16,resource,,5,18,16,900,800,8,4"
    path = write(tmp_path, f"{head},ii_max_cycles,lut,ff,dsp,bram18\n{row}\n")
    assert main([str(path), "--json", str(tmp_path / "out.json")]) == 0
    record = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["made_up/resource"]
    assert record["cycles"] == {
        "n": 1, "unpredicted": 0, "mape": 0.0, "smape": 0.0, "r2": None, "within_error_bar": 1.0
    }  # fmt: skip
    assert "made_up/resource" in capsys.readouterr().out
    assert main([str(path), "--json", str(tmp_path / "nowhere" / "out.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err
