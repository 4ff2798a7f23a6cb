# SPDX-License-Identifier: Apache-2.0
"""Published tables of synthesised or measured designs against this package's predictions.

    python -m hwsim.validate TABLE.csv [--json OUT]

recognises a table by its columns, predicts every row from its configuration alone and prints, per data set and metric,
how far off the predictions are. Rows that no model covers are counted as unpredicted. Error bars of FPGA models hold
90 % of designs whose shape, network or sweep was left out of the fit (hwsim/fpga/linear.py).

    rows.py      a CSV as columns
    table.py     what a kind of table is, and which kind a CSV is
    scores.py    errors of predictions, per slice and metric
    text.py      the scores as lines of text

A kind of table is one file that makes a `Table`, and a line in tables.py.
"""

from hwsim.columns import Prediction
from hwsim.validate.rows import Rows, read_rows
from hwsim.validate.scores import Score, scores
from hwsim.validate.table import Table, recognise
from hwsim.validate.tables import TABLES

__all__ = ["TABLES", "Prediction", "Rows", "Score", "Table", "read_rows", "recognise", "scores"]
