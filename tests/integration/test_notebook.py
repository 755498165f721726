"""The notebook of the article's library runs from its first cell to its last."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOK = Path(__file__).parents[2] / "docs" / "article.ipynb"


@pytest.mark.filterwarnings("default")  # the kernel's client libraries warn of each other
def test_the_notebook_runs_and_lowers_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Jupyter looks for its kernels beside the interpreter, and writes its state to the home folder otherwise.
    monkeypatch.setenv("JUPYTER_PATH", str(Path(sys.prefix) / "share" / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=150, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    printed = {
        cell["source"].split("(")[0]: "".join(out.get("text", "") for out in cell["outputs"])
        for cell in notebook.cells
        if cell["cell_type"] == "code"
    }
    before, after = (float(line.split()[1]) for line in printed["scores = train_clone"].splitlines()[:2])
    assert after < before
    assert "num_rows: 616" in printed["dataset = process_tg_data"]
