"""What can be read from a graph, from the process and from a directory, as JSON values.

The probes use TensorFlow's public readers, never the implementation under test. They keep to Python
3.6 syntax and to API that exists since TensorFlow 1.15.
"""

import os
import re
from typing import Any, List

from conformance.trace import VARIABLE_OPS, Describer, normalise_text, tf

Json = Any


def graph_state(graph: Any, describer: Describer) -> Json:
    """Return whether `graph` is finalised, and what its collections hold by key.

    Names of default ops are not compared, their number and types in a collection are.
    """
    if graph is None:
        return None
    collections = {}
    for key in graph.get_all_collection_keys():
        name = key if isinstance(key, str) else describer.describe(key)
        items = graph.get_collection_ref(key)
        if items:
            collections[str(name)] = [describer.describe(item) for item in items]
    return {"finalised": graph.finalized, "collections": dict(sorted(collections.items()))}


def op_types(graph: Any) -> Json:
    """Return how many operations of each type `graph` has."""
    counts = {}  # type: Dict[str, int]
    for operation in graph.get_operations():
        counts[operation.type] = counts.get(operation.type, 0) + 1
    return dict(sorted(counts.items()))


def file_names(directory: str) -> List[str]:
    """Return the files below `directory`, event files without their time and host, others normalised."""
    found = set()
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), directory)
            found.add(normalise_text(re.sub(r"(events\.out\.tfevents)\..*", r"\1", path)))
    return sorted(found)


def directory_state(directory: str, describer: Describer) -> Json:
    """Return everything written below `directory` that a file reader can see."""
    state = {"files": file_names(directory)}  # type: Dict[str, Json]
    for folder, _, names in sorted(os.walk(directory)):
        relative = os.path.relpath(folder, directory)
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name == "checkpoint":
                state[os.path.join(relative, name)] = state_file(path, describer)
            elif name.endswith(".index"):
                state[os.path.join(relative, name)] = checkpoint_variables(path[: -len(".index")])
            elif name.endswith(".meta"):
                state[os.path.join(relative, name)] = meta_graph(path)
            elif name == "graph.pbtxt":
                state[os.path.join(relative, name)] = text_graph(path)
        if any("tfevents" in name for name in names):
            state[os.path.join(relative, "events")] = event_records(folder, describer)
    return state


def state_file(path: str, describer: Describer) -> List[str]:
    """Return the lines of a checkpoint state file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return describer.text(file.read()).split("\n")


def checkpoint_variables(prefix: str) -> Json:
    """Return a checkpoint's variables: name to type, shape and value."""
    variables = {}
    try:
        reader = tf.train.NewCheckpointReader(prefix)
        for name in sorted(reader.get_variable_to_shape_map()):
            if name == "_CHECKPOINTABLE_OBJECT_GRAPH":
                variables[name] = "present"
            else:
                variables[name] = Describer().describe(reader.get_tensor(name))
    except Exception as error:  # damaged on purpose; the reader raises many types
        variables["unreadable"] = type(error).__name__
    return variables


def meta_graph(path: str) -> Json:
    """Return what a `.meta` file promises: its collections, variables and saver."""
    proto = tf.MetaGraphDef()
    try:
        with open(path, "rb") as file:
            proto.ParseFromString(file.read())
    except Exception as error:  # cut short by a fault; protobuf's error has moved between releases
        return type(error).__name__
    return _describe_meta_graph(proto)


def text_graph(path: str) -> Json:
    """Return the variables of a `graph.pbtxt` (parsing the whole text would take most of a run)."""
    with open(path, encoding="utf-8") as file:
        nodes = re.findall(r'^node \{\n  name: "([^"]*)"\n  op: "(\w+)"', file.read(), re.MULTILINE)
    return sorted(name for name, op in nodes if op in VARIABLE_OPS)


def event_records(directory: str, describer: Describer) -> List[Json]:
    """Return the records of the event files in `directory`, in order.

    Files are read one after the other in the order of their names: two writers that open within one
    second share a file, so where a file ends is not compared.
    """
    records = []
    for name in sorted(os.listdir(directory)):
        if "tfevents" not in name:
            continue
        try:
            for event in tf.train.summary_iterator(os.path.join(directory, name)):
                records.append(_describe_event(event, describer))
        except tf.errors.DataLossError:
            records.append(["truncated"])
    return records


def _describe_event(event: Any, describer: Describer) -> Json:
    kind = event.WhichOneof("what")
    record = [kind, event.step]  # type: List[Json]
    if kind == "file_version":
        record.append(event.file_version)
    elif kind == "summary":
        for value in event.summary.value:
            content = value.WhichOneof("value")
            number = value.simple_value if content == "simple_value" else None
            record.append([value.tag, content, Describer().describe(number)])
    elif kind == "session_log":
        log = event.session_log
        record.append([log.status, describer.text(log.checkpoint_path), describer.text(log.msg)])
    elif kind == "tagged_run_metadata":
        record.append(event.tagged_run_metadata.tag)
    elif kind == "graph_def":
        graph = tf.GraphDef()
        graph.ParseFromString(event.graph_def)
        record.append(_variables(graph))
    elif kind == "meta_graph_def":
        meta = tf.MetaGraphDef()
        meta.ParseFromString(event.meta_graph_def)
        record.append(_describe_meta_graph(meta))
    return record


def _describe_meta_graph(proto: Any) -> Json:
    described = {
        "collections": sorted(proto.collection_def),
        "variables": _variables(proto.graph_def),
        "stripped_default_attrs": proto.meta_info_def.stripped_default_attrs,
        "saver": None,
    }
    if proto.HasField("saver_def"):
        saver = proto.saver_def
        described["saver"] = {
            "max_to_keep": saver.max_to_keep,
            "sharded": saver.sharded,
            "keep_hours": Describer().describe(saver.keep_checkpoint_every_n_hours),
            "version": saver.version,
        }
    return described


def _variables(graph_def: Any) -> List[str]:
    return sorted(node.name for node in graph_def.node if node.op in VARIABLE_OPS)
