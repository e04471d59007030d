"""A SavedModel as its files say it: signatures, graph and functions, read without a session."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef, TensorInfo
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from ganzoo.errors import InputError
from ganzoo.files import version_number, versions
from ganzoo.signatures import WHOLE

INIT = {"__saved_model_init_op", "__saved_model_train_op"}  # entries of the signature map that are no signatures


@dataclass(frozen=True)
class Place:
    """An input or output of a signature.

    Args:
        tensor: Its name in the graph.
        dtype: The name of its type.
        shape: As the signature says it.
    """

    tensor: str
    dtype: str
    shape: tf.TensorShape

    @classmethod
    def of(cls, info: TensorInfo) -> "Place":
        """Returns what a TensorInfo says; composite tensors have no name."""
        known = info.dtype in DataType.values()
        dtype = DataType.Name(info.dtype).removeprefix("DT_").lower() if known else f"type {info.dtype}"
        names = {"float": "float32", "double": "float64", "half": "float16"}
        return cls(info.name, names.get(dtype, dtype), tf.TensorShape(info.tensor_shape))

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


@dataclass(frozen=True)
class SavedSignature:
    """A signature by the names that clients use.

    Args:
        name: Of itself.
        inputs: Name -> place.
        outputs: Name -> place.
        method: What the SignatureDef names so.
    """

    name: str
    inputs: dict[str, Place]
    outputs: dict[str, Place]
    method: str

    @classmethod
    def of(cls, name: str, definition: SignatureDef) -> "SavedSignature":
        """Returns what a SignatureDef says."""
        inputs, outputs = (
            {key: Place.of(info) for key, info in sorted(infos.items())}
            for infos in (definition.inputs, definition.outputs)
        )
        return cls(name, inputs, outputs, definition.method_name)

    @property
    def whole(self) -> bool:
        """Returns whether this is one of the signatures that take a number of rows, not rows."""
        return self.name in WHOLE

    @property
    def counted(self) -> bool:
        """Returns whether it takes a number of rows, the integer `n`."""
        return "n" in self.inputs and self.inputs["n"].shape.rank == 0 and self.inputs["n"].dtype in ("int32", "int64")

    def places(self) -> Iterator[tuple[str, Place]]:
        """Yields ("input 'x'", place) of all inputs, then of all outputs."""
        yield from ((f"input {name!r}", place) for name, place in self.inputs.items())
        yield from ((f"output {name!r}", place) for name, place in self.outputs.items())


@dataclass(frozen=True)
class Saved:
    """A version of a model, as far as it could be read.

    Args:
        folder: `<name>/<version>`.
        meta: The graph with the tag `serve`; None if there is none.
        tags: Of every graph in the file.
        flaw: Why saved_model.pb could not be read; None if it could.
    """

    folder: Path
    meta: MetaGraphDef | None = field(repr=False, default=None)
    tags: tuple[tuple[str, ...], ...] = ()
    flaw: str | None = None

    @cached_property
    def signatures(self) -> dict[str, SavedSignature]:
        """Returns name -> signature."""
        definitions = {} if self.meta is None else self.meta.signature_def
        return {name: SavedSignature.of(name, definitions[name]) for name in sorted(definitions) if name not in INIT}

    @cached_property
    def functions(self) -> dict[str, tuple[NodeDef, ...]]:
        """Returns function -> its nodes; the main graph's function is the empty name."""
        graph = self.meta.graph_def
        inner = {each.signature.name: tuple(each.node_def) for each in graph.library.function}
        return {"": tuple(graph.node), **inner}

    def nodes(self) -> Iterator[tuple[str, NodeDef]]:
        """Yields (function, node) of the whole graph."""
        for function, nodes in self.functions.items():
            yield from ((function, node) for node in nodes)

    def reached(self, signature: SavedSignature) -> Iterator[NodeDef]:
        """Yields the nodes that a signature runs, those inside of functions too."""
        graph = {node.name: node for node in self.functions[""]}
        names, seen = [_operation(place.tensor) for place in signature.outputs.values()], set()
        calls = []
        while names:
            name = names.pop()
            if name in graph and name not in seen:
                seen.add(name)
                yield graph[name]
                names += [_operation(source) for source in graph[name].input]
                calls += self._called(graph[name])
        seen = set()
        while calls:
            function = calls.pop()
            if function not in seen:
                seen.add(function)
                for node in self.functions[function]:
                    yield node
                    calls += self._called(node)

    def _called(self, node: NodeDef) -> set[str]:
        named = {node.op}
        for value in node.attr.values():
            named |= {value.func.name, *(function.name for function in value.list.func)}
        return (named & self.functions.keys()) - {""}


def open_saved(directory: str | os.PathLike) -> Saved:
    """Returns the SavedModel in `directory`, or the newest version in a folder of versions, whole or not.

    Raises:
        InputError: If there is no such folder, or nothing in it that a server would try to load.
    """
    folder = _version(Path(os.path.abspath(directory)))
    try:
        saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return Saved(folder, flaw="there is no saved_model.pb")
    except OSError as error:
        raise InputError(f"{str(folder)!r} cannot be read: {error.strerror}; give a folder that can be") from None
    except DecodeError:
        return Saved(folder, flaw="saved_model.pb is cut short or no SavedModel")
    tags = tuple(tuple(meta.meta_info_def.tags) for meta in saved.meta_graphs)
    served = [meta for meta in saved.meta_graphs if set(meta.meta_info_def.tags) == {"serve"}]
    return Saved(folder, served[0] if served else None, tags, None if tags else "saved_model.pb holds no graph")


def _version(path: Path) -> Path:
    try:
        if not path.is_dir():
            raise InputError(f"{str(path)!r} is no folder; give that of an exported model, <name> or <name>/<version>")
        if (path / "saved_model.pb").exists():
            return path
        if found := versions(path):
            return found[max(found)]
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}; give a folder that can be") from None
    if version_number(path) is not None:
        return path
    raise InputError(
        f"{str(path)!r} holds no saved_model.pb and no versions 1, 2, ...; give the folder of an exported model, "
        "<name> or <name>/<version>"
    )


def _operation(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]
