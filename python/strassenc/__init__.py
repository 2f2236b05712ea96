"""From a neural network to a multiplication budget, and to Verilog.

    import strassenc as sc

    model = sc.Model.load("run")                  # a run folder, or a .safetensors file
    y = model.infer(x)                            # the integer network, exactly
    core = model.compile(device="xc7a35t", clock=200)
    core.simulate(x)                              # Verilator, bit for bit
    core.save("build")
    core.report_html("report.html")
    model.export("model.onnx")                    # the same integers in ONNX Runtime

    sc.matrix(w).save("kernel")                   # one constant matrix
    product = sc.discover("3x3x3")                # a fast matrix product

Long work shows its progress (`on_progress`), runs without the interpreter's lock, and stops at
Ctrl-C. What goes wrong is an `Error`.
"""

from ._arrays import Ternary
from ._error import Error
from ._kernel import Matrix, discover, matrix
from ._model import Core, Model, Simulation, resume
from ._onnx import import_onnx
from ._progress import on_progress, show_progress
from ._text import Text, load_text

__all__ = [
    "Core",
    "Error",
    "Matrix",
    "Model",
    "Simulation",
    "Ternary",
    "Text",
    "discover",
    "import_onnx",
    "load_text",
    "matrix",
    "on_progress",
    "resume",
    "show_progress",
]
