"""Calls a SavedModel through TensorFlow's C library, as a server does: no Python TensorFlow, no Keras, no ganzoo.

A script for a process of its own: `python -P native.py FOLDER`, where FOLDER/task.json says

    {"library": path of libtensorflow_cc, "model": SavedModel folder,
     "calls": [{"feeds": [tensor, ...], "fetches": [tensor, ...]}, ...],
     "guarded_from": the first call that may ask for too much memory, "seconds": that a call may take}

and FOLDER/<i>.in.npz holds what call i feeds, in order. A call that takes longer ends the process by SIGALRM:
TensorFlow's own time-out waits for kernels, and a loop without end for ever.
The answers are files in the same folder, each written when it is known, so that a crash loses none: ops.pb, an OpList
of what the library knows; load.json once the model is loaded; <i>.out.npz with the tensors fetched, by position, or
<i>.json; both .json say {"code": status code, "message": text}.
"""

import ctypes
import json
import os
import signal
import sys
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path

import numpy as np

STRING = 7  # the numbers of types.proto
TYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64", 10: "bool", 17: "uint16",
    19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
NUMBERS = {np.dtype(name): number for number, name in TYPES.items()}
GUARD = 1 << 30  # bytes that a guarded call may allocate
DISABLE_XLA = "_ZN10tensorflow21DisableXlaCompilationEv"  # void tensorflow::DisableXlaCompilation()
TSTRING_BYTES = 24  # sizeof(TF_TString)


class Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = [("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p)]


class Output(ctypes.Structure):
    """TF_Output."""

    _fields_ = [("operation", c_void_p), ("index", c_int)]


SIGNATURES = {
    "TF_NewStatus": (c_void_p, []),
    "TF_GetCode": (c_int, [c_void_p]),
    "TF_Message": (c_char_p, [c_void_p]),
    "TF_NewGraph": (c_void_p, []),
    "TF_NewSessionOptions": (c_void_p, []),
    "TF_GetAllOpList": (POINTER(Buffer), []),
    "TF_LoadSessionFromSavedModel": (
        c_void_p, [c_void_p, c_void_p, c_char_p, POINTER(c_char_p), c_int, c_void_p, c_void_p, c_void_p],
    ),
    "TF_GraphOperationByName": (c_void_p, [c_void_p, c_char_p]),
    "TF_SessionRun": (
        None,
        [
            c_void_p, c_void_p, POINTER(Output), POINTER(c_void_p), c_int, POINTER(Output), POINTER(c_void_p),
            c_int, c_void_p, c_int, c_void_p, c_void_p,
        ],
    ),
    "TF_AllocateTensor": (c_void_p, [c_int, POINTER(c_int64), c_int, c_size_t]),
    "TF_DeleteTensor": (None, [c_void_p]),
    "TF_TensorType": (c_int, [c_void_p]),
    "TF_NumDims": (c_int, [c_void_p]),
    "TF_Dim": (c_int64, [c_void_p, c_int]),
    "TF_TensorData": (c_void_p, [c_void_p]),
    "TF_TensorByteSize": (c_size_t, [c_void_p]),
    "TF_StringGetDataPointer": (c_void_p, [c_void_p]),
    "TF_StringGetSize": (c_size_t, [c_void_p]),
}  # fmt: skip


class Failure(Exception):
    """A status that is not OK."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.said = {"code": code, "message": message}


class Library:
    """The C library with XLA switched off, as the stock server has it.

    Args:
        path: of libtensorflow_cc.
    """

    def __init__(self, path: str):
        # Symbols stay local: in the global scope they would take the place of those of NumPy's own libraries.
        self.functions = ctypes.CDLL(path, mode=ctypes.RTLD_LOCAL)
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(self.functions, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name.removeprefix("TF_"), function)
        disable = self.functions[DISABLE_XLA]
        disable.restype = None
        disable()

    def ops(self) -> bytes:
        """Returns a serialized OpList of all ops that are known."""
        buffer = self.GetAllOpList().contents
        return ctypes.string_at(buffer.data, buffer.length)

    def raise_for(self, status: int) -> None:
        """Raises Failure unless a status is OK."""
        if code := self.GetCode(status):
            raise Failure(code, self.Message(status).decode(errors="replace"))

    def tensor(self, array: np.ndarray) -> int:
        """Returns a new TF_Tensor of an array of numbers."""
        array = np.ascontiguousarray(array).reshape(array.shape)
        tensor = self.AllocateTensor(
            NUMBERS[array.dtype], (c_int64 * array.ndim)(*array.shape), array.ndim, array.nbytes
        )
        ctypes.memmove(self.TensorData(tensor), array.ctypes.data, array.nbytes)
        return tensor

    def arrays(self, tensor: int) -> dict[str, np.ndarray]:
        """Returns a TF_Tensor as the array `values`; strings as their `bytes`, joined, and `lengths` of its shape."""
        number = self.TensorType(tensor)
        shape = [self.Dim(tensor, axis) for axis in range(self.NumDims(tensor))]
        start = self.TensorData(tensor)
        if number != STRING:
            values = np.frombuffer(ctypes.string_at(start, self.TensorByteSize(tensor)), TYPES[number])
            return {"values": values.reshape(shape)}
        count = int(np.prod(shape, dtype=np.int64))
        places = [start + TSTRING_BYTES * each for each in range(count)]
        strings = [ctypes.string_at(self.StringGetDataPointer(at), self.StringGetSize(at)) for at in places]
        lengths = np.array([len(each) for each in strings], np.int64).reshape(shape)
        return {"bytes": np.frombuffer(b"".join(strings), np.uint8), "lengths": lengths}


class Session:
    """A SavedModel loaded with the tag `serve`.

    Args:
        library: of TensorFlow.
        model: SavedModel folder.

    Raises:
        Failure: if it does not load.
    """

    def __init__(self, library: Library, model: str):
        self.library = library
        self.graph = library.NewGraph()
        status = library.NewStatus()
        tags = (c_char_p * 1)(b"serve")
        self.session = library.LoadSessionFromSavedModel(
            library.NewSessionOptions(), None, os.fsencode(model), tags, 1, self.graph, None, status
        )
        library.raise_for(status)

    def outputs(self, names: list[str]) -> ctypes.Array:
        """Returns TF_Outputs of tensor names, `operation:index`."""
        found = []
        for name in names:
            operation, _, index = name.partition(":")
            pointer = self.library.GraphOperationByName(self.graph, operation.encode())
            if not pointer:
                raise Failure(5, f"the graph has no operation {operation!r}")
            found.append(Output(pointer, int(index or 0)))
        return (Output * len(found))(*found)

    def run(self, feeds: dict[str, np.ndarray], fetches: list[str]) -> dict[str, np.ndarray]:
        """Returns what a call gives, `<position>.values` and so on.

        Args:
            feeds: arrays by tensor name.
            fetches: names of tensors.

        Raises:
            Failure: if the call fails.
        """
        library, status = self.library, self.library.NewStatus()
        sources, targets = self.outputs(list(feeds)), self.outputs(fetches)
        given = (c_void_p * len(feeds))(*[library.tensor(array) for array in feeds.values()])
        taken = (c_void_p * len(fetches))()
        library.SessionRun(
            self.session, None, sources, given, len(feeds), targets, taken, len(fetches), None, 0, None, status
        )
        try:
            library.raise_for(status)
            every = {position: library.arrays(tensor) for position, tensor in enumerate(taken)}
        finally:
            for tensor in [*given, *taken]:
                if tensor:
                    library.DeleteTensor(tensor)
        return {f"{position}.{part}": array for position, parts in every.items() for part, array in parts.items()}


def guard_memory() -> None:
    """Lets this process grow by `GUARD` at most, where the system can tell its size: the machine is the user's."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        import resource

        pages = int(statm.read_text(encoding="ascii").split()[0])
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + GUARD, hard))


def write(path: Path, failure: dict) -> None:
    """Writes a status, whole or not at all."""
    path.with_suffix(".partial").write_text(json.dumps(failure), encoding="utf-8")
    os.replace(path.with_suffix(".partial"), path)


def main(folder: Path) -> None:
    """Does the task of a folder."""
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    library = Library(task["library"])
    (folder / "ops.pb").write_bytes(library.ops())
    try:
        session = Session(library, task["model"])
    except Failure as failure:
        write(folder / "load.json", failure.said)
        return
    write(folder / "load.json", {"code": 0, "message": ""})
    for number, call in enumerate(task["calls"]):
        if number == task["guarded_from"]:
            guard_memory()
        with np.load(folder / f"{number}.in.npz", allow_pickle=False) as arrays:
            given = dict(zip(call["feeds"], arrays.values(), strict=True))
        try:
            signal.setitimer(signal.ITIMER_REAL, task["seconds"])
            answer = session.run(given, call["fetches"])
        except Failure as failure:
            write(folder / f"{number}.json", failure.said)
            continue
        np.savez(folder / f"{number}.partial.npz", **answer)
        os.replace(folder / f"{number}.partial.npz", folder / f"{number}.out.npz")
    if strangers := {"tensorflow", "keras", "ganzoo"} & {name.split(".")[0] for name in sys.modules}:
        sys.exit(f"this process was to do without {sorted(strangers)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
