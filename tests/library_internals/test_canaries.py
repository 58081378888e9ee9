"""What the harness knows of other libraries' insides still holds; a failure names what changed.

Each of these takes a second or less, but for Ray's own start, and none can hang: where a library
changed what a run relies on, this says so before a run waits for it.
"""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import linear

from harness.library_internals import bitsandbytes, flower, peft, ray, transformers
from harness.training.fast.lowrank import row_norms


def changed(library: str, what: str) -> str:
    """Return what a failed test says."""
    file = "flower" if library == "flwr" else library
    return (
        f"{library} {version(library)} changed {what}: read it again and mend"
        f" harness/library_internals/{file}.py"
    )


def names_in(function: Any) -> set[str]:
    """Return the names that a function's code uses, beyond its own variables."""
    return set(inspect.unwrap(function).__code__.co_names)


def test_ray_s_start_uses_what_is_replaced() -> None:
    import ray as public
    from ray._private import node, parameter, services, worker

    start = names_in(node.Node.__init__)
    assert {"services", "get_node", "RuntimeError"} <= start, changed("ray", "Node.__init__'s wait")
    taken = list(inspect.signature(services.get_node).parameters)
    assert taken == ["gcs_address", "node_id"], changed("ray", "services.get_node")
    assert {"parameter", "RayParams"} <= names_in(public.init), changed("ray", "ray.init")
    parameters = inspect.signature(parameter.RayParams).parameters
    assert set(ray.UNUSED) <= set(parameters), changed("ray", "RayParams")
    source = inspect.getsource(inspect.unwrap(public.init))
    given = [name for name in ray.UNUSED if f"{name}=" in source]
    assert not given, changed("ray", f"ray.init, which now sets {given} itself")
    head, rest = names_in(node.Node.start_head_processes), names_in(node.Node.start_ray_processes)
    assert set(ray.UNUSED) <= head | rest, changed("ray", "which processes a node starts")
    assert "start_api_server" in names_in(node.Node.start_head_processes), changed("ray", "Node")
    constants = inspect.unwrap(public.init).__code__.co_consts
    assert "_temp_dir" in constants, changed("ray", "the option _temp_dir")
    assert services.RAYLET_EXECUTABLE.endswith(ray.RAYLET_PROGRAM), changed("ray", "raylet's path")
    listens = names_in(worker.listen_error_messages)
    assert "print_to_stdstream" in listens, changed("ray", "listen_error_messages")


def test_ray_s_events_come_as_lines() -> None:
    from ray._private import worker

    before, came = worker.print_to_stdstream, []
    with ray.events_sent_to(came.append):
        source = inspect.getsource(worker.listen_error_messages)
        assert '"lines": [error_message]' in source, changed("ray", "the form of its events")
        worker.print_to_stdstream({"lines": ["out of memory"], "pid": "raylet"}, False)
    assert came == ["out of memory"]
    assert worker.print_to_stdstream is before


STARTED = """
import json, sys, threading, logging, psutil
from harness.library_internals.ray import eased_start, leave_ray, node_watched, start_ray
with eased_start(threading.Event(), lambda: True, 60, None):
    start_ray(sys.argv[1], address="local", num_cpus=1, include_dashboard=False,
              log_to_driver=False, configure_logging=False, object_store_memory=80 * 2**20)
import ray
class ClientAppActor:
    def run(self):
        return psutil.Process().cmdline()[0]
    def path(self):
        return sys.path
    def given(self):
        with open("/proc/self/environ") as file:
            return [variable.partition("=")[0] for variable in file.read().split("\\0")]
actor = ray.remote(ClientAppActor).remote()
at_work = ray.get(actor.run.remote(), timeout=60)
lines = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
path, given = ray.get([actor.path.remote(), actor.given.remote()], timeout=60)
with node_watched() as node_runs:
    ran = [node_runs()]
    children = psutil.Process().children(recursive=True)
    for child in children:
        child.kill()
    psutil.wait_procs(children, 10)
    ran.append(node_runs())
leave_ray()
print(json.dumps([at_work, lines, path, given, ran]), flush=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for Ray's sockets."""
    made = Path(ray.ray_folder("harness-flwr-"))
    yield made
    shutil.rmtree(made)


def test_ray_starts_light_below_the_folder_with_known_titles(folder: Path) -> None:
    try:
        done = subprocess.run(
            [sys.executable, "-c", STARTED, str(folder / "ray")], cwd=folder,
            capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.fail(changed("ray", "its start, which does not end"))
    assert done.stdout, changed("ray", f"its start: {done.stderr[-500:]}")
    at_work, lines, path, given, ran = json.loads(done.stdout)
    assert ran == [True, False], changed("ray", "what its node listens on")
    assert str(folder) not in path, changed("ray", "how a driver adds to its workers' path")
    assert "PATH" in given
    assert ray.CLIENT_MODE not in given, changed("ray", "what moves the place of a title")
    assert at_work == f"{ray.ACTOR_TITLE}.run", changed("ray", "the title of an actor at work")
    idle = [line for line in lines if line.startswith(ray.ACTOR_TITLE)]
    assert len(idle) == 1, changed("ray", "the title of an actor")
    assert any(ray.RAYLET_PROGRAM in line for line in lines), changed("ray", "raylet's path")
    heavy = [line for line in lines if "monitor.py" in line]
    assert heavy == [], changed("ray", "which processes a node starts")
    assert list(folder.glob("ray/session_*")), changed("ray", "the option _temp_dir")
    sockets = [len(str(path)) for path in folder.glob("ray/session_*/sockets/*")]
    room = ray.LONGEST_PARENT - len(str(folder.parent))
    assert max(sockets) + room <= 107, changed("ray", "the names of its sockets")


class Recorded:
    """Stands for Ray's actor class, and keeps the options it is asked for."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def options(self, **options: Any) -> Recorded:
        self.given = options
        return self

    def remote(self, **arguments: Any) -> Recorded:
        return self


def test_flower_makes_its_clients_of_the_class_that_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from flwr.server.superlink.fleet.vce.backend import raybackend
    from flwr.simulation.ray_transport import ray_actor

    built = names_in(raybackend.RayBackend.build)
    assert {"ClientAppActor", "BasicActorPool"} <= built, changed("flwr", "RayBackend.build")
    actor = Recorded()
    monkeypatch.setattr(raybackend, "ClientAppActor", actor)
    monkeypatch.setitem(sys.modules, flower.ENGINE, raybackend)
    monkeypatch.setattr(ray_actor, "pool_size_from_resources", lambda resources: 1)
    flower.restart_dead_clients()
    flower.restart_dead_clients()
    pool = raybackend.BasicActorPool(raybackend.ClientAppActor, {"num_cpus": 1}, {})
    pool.add_actors_to_pool(1)
    expected = {"max_restarts": -1, "num_cpus": 1}
    assert actor.given == expected, changed("flwr", "BasicActorPool.create_actor_fn")


def test_flower_s_simulation_takes_another_backend() -> None:
    from flwr.server.superlink.fleet.vce import vce_api
    from flwr.server.superlink.fleet.vce.backend import Backend, raybackend
    from flwr.simulation.ray_transport import ray_actor

    given = object()
    with flower.simulating_by(given):
        assert raybackend.RayBackend({}) is given
        source = inspect.getsource(vce_api.start_vce)
        assert "raybackend import RayBackend" in source, changed("flwr", "start_vce")
    assert isinstance(raybackend.RayBackend, type)
    expected = {"build", "num_workers", "is_worker_idle", "process_message", "terminate"}
    asked = {name for name in vars(Backend) if not name.startswith("_")}
    assert asked == expected, changed("flwr", "Backend")
    answers = inspect.signature(ray_actor.VirtualClientEngineActor.run).parameters
    assert list(answers)[1:5] == ["client_app_fn", "message", "cid", "context"], changed(
        "flwr", "VirtualClientEngineActor.run"
    )
    assert "ClientAppActor" in repr(flower.client_actor()), changed("flwr", "ClientAppActor")


def test_flower_s_engine_is_the_module_that_is_looked_for() -> None:
    code = f"import sys, flwr.simulation.run_simulation; sys.exit({flower.ENGINE!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=100)
    assert done.returncode == 1, changed("flwr", "the module of its simulation engine")


def test_flower_s_messages_say_who_sends_them() -> None:
    from flwr.app import Message, RecordDict
    from flwr.supercore.task_identity import TaskIdentity

    with flower.sending_as(3):
        message = Message(content=RecordDict(), dst_node_id=9, message_type="train")
        found = (message.metadata.src_node_id, message.metadata.run_id)
    assert found == (3, 1), changed("flwr", "TaskIdentity")
    before = TaskIdentity._node_id
    with flower.sending_as(4):
        pass
    assert TaskIdentity._node_id == before


@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_peft_s_layers_compute_what_is_read_off_them(dora: bool) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = LoraConfig(
        r=4, lora_alpha=6, lora_dropout=0.25, use_dora=dora, target_modules=["0"],
        init_lora_weights=False,
    )  # fmt: skip
    model = get_peft_model(torch.nn.Sequential(torch.nn.Linear(16, 8, bias=False)), config)
    [found] = [one for m in model.modules() if (one := peft.plain_lora_layer(m))]
    assert (found.scaling, found.dropout) == (1.5, 0.25), changed("peft", "LoraLayer")
    assert (found.magnitude is not None) == dora, changed("peft", "lora_magnitude_vector")
    x, weight = torch.randn(5, 16), found.base.weight
    expected = linear(x, weight + found.scaling * found.b @ found.a)
    if found.magnitude is not None:
        squares = torch.linalg.vecdot(weight, weight)
        expected *= found.magnitude / row_norms(weight, squares, found.a, found.b, found.scaling)
    torch.testing.assert_close(model.eval()(x), expected, msg=changed("peft", "its forward"))


@pytest.mark.parametrize("bits", [4, 8])
def test_bitsandbytes_layers_hold_their_values_where_they_are_read(bits: int) -> None:
    import bitsandbytes as bnb

    torch.manual_seed(0)
    plain = torch.nn.Linear(64, 32, bias=False)
    if bits == 8:
        layer: Any = bnb.nn.Linear8bitLt(64, 32, bias=False, has_fp16_weights=False)
        layer.weight = bnb.nn.Int8Params(plain.weight.data, False, has_fp16_weights=False)
    else:
        layer = bnb.nn.Linear4bit(64, 32, bias=False)
        layer.weight = bnb.nn.Params4bit(plain.weight.data, False, quant_type="fp4")
    layer.to("cpu")
    assert bitsandbytes.is_quantized(layer)
    assert not bitsandbytes.is_quantized(plain)
    values = bitsandbytes.dequantised(layer, torch.float32)
    assert values.shape == plain.weight.shape, changed("bitsandbytes", "the form of its weights")
    allowed = 0.01 if bits == 8 else 0.25
    worst = (values - plain.weight).abs().max() / plain.weight.abs().max()
    assert worst < allowed, changed("bitsandbytes", "where its layers hold their values")


def test_transformers_norm_is_the_formula() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        vocab_size=8, rms_norm_eps=0.5,
    )  # fmt: skip
    norms = transformers.llama_norms(LlamaForCausalLM(config))
    assert len(norms) == 5, changed("transformers", "which norms a Llama model has")
    x = torch.randn(3, 16)
    expected = norms[0].weight * x / (x.square().mean(-1, keepdim=True) + 0.5).sqrt()
    torch.testing.assert_close(
        norms[0].layer(x), expected, msg=changed("transformers", "LlamaRMSNorm")
    )
