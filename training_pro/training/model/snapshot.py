"""The host's model as it was found, and how it gets back to that, whatever a run did to it.

A snapshot copies no weights: it keeps, for every module, its own attributes (hooks, mode, children, patched
methods) and for every parameter and buffer the very storage, flags and gradient. PEFT puts its layers *into* the model;
putting each module's attributes back takes them out again, bit for bit, quantized weights included. Where a run wrote
over weights in place (see `run_dtype`), it has kept their bits, and these are written back.
Cost: some milliseconds and a few kB a module.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from training_pro.training.loop.random_state import RandomState
from training_pro.training.memory.out_of_memory import free_memory, is_out_of_memory
from training_pro.training.model.run_dtype import BITS_BEFORE

_CONFIGS = ("config", "generation_config")


@dataclass(frozen=True)
class _ParameterState:
    parameter: nn.Parameter
    data: torch.Tensor
    requires_grad: bool
    grad: torch.Tensor | None
    attributes: dict[str, Any]
    quantization: dict[str, Any]


@dataclass(frozen=True)
class _ModuleState:
    module: nn.Module
    attributes: dict[str, Any]
    containers: dict[str, tuple[Any, dict[Any, Any]]]


@dataclass(frozen=True)
class ModelSnapshot:
    """What `restore` needs to give the model back as it was found."""

    modules: list[_ModuleState]
    parameters: list[_ParameterState]
    configs: list[tuple[Any, dict[str, Any]]]
    random: RandomState

    @classmethod
    def take(cls, model: nn.Module) -> ModelSnapshot:
        """A snapshot of `model` and of the random generators."""
        modules = [_module_state(module) for module in model.modules()]
        parameters = [_parameter_state(parameter) for parameter in model.parameters()]
        return cls(modules, parameters, _config_states(model), RandomState.take())

    def restore(self) -> None:
        """Put everything back in place; what was added since is dropped. Should memory run out, it starts over."""
        try:
            self._put_back()
            return
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        free_memory()
        self._put_back()

    def _put_back(self) -> None:
        for state in self.modules:
            _restore_module(state)
        for kept in self.parameters:
            _restore_parameter(kept)
        for config, attributes in self.configs:
            config.__dict__.clear()
            config.__dict__.update(attributes)
        self.random.restore()


def _parameter_state(parameter: nn.Parameter) -> _ParameterState:
    quantization = dict(getattr(getattr(parameter, "quant_state", None), "__dict__", {}))
    return _ParameterState(
        parameter, parameter.data, parameter.requires_grad, parameter.grad, dict(vars(parameter)), quantization
    )


def _restore_parameter(kept: _ParameterState) -> None:
    parameter = kept.parameter
    bits = vars(parameter).get(BITS_BEFORE)
    if bits is not None:
        kept.data.copy_(bits)
    if parameter.data_ptr() != kept.data.data_ptr() or parameter.dtype != kept.data.dtype:
        parameter.data = kept.data
    vars(parameter).clear()
    vars(parameter).update(kept.attributes)
    if kept.quantization:
        own = vars(kept.attributes["quant_state"])
        own.clear()
        own.update(kept.quantization)
    parameter.requires_grad_(kept.requires_grad)
    parameter.grad = kept.grad


def _module_state(module: nn.Module) -> _ModuleState:
    attributes = dict(vars(module))
    containers = {name: (value, dict(value)) for name, value in attributes.items() if isinstance(value, dict)}
    return _ModuleState(module, attributes, containers)


def _restore_module(state: _ModuleState) -> None:
    own = vars(state.module)
    own.clear()
    own.update(state.attributes)
    for container, content in state.containers.values():
        container.clear()
        container.update(content)


def _config_states(model: nn.Module) -> list[tuple[Any, dict[str, Any]]]:
    found: dict[int, tuple[Any, dict[str, Any]]] = {}
    for module in model.modules():
        for name in _CONFIGS:
            _collect_config(vars(module).get(name), found)
    return list(found.values())


def _collect_config(config: Any, found: dict[int, tuple[Any, dict[str, Any]]]) -> None:
    """Configs hold configs (text_config, quantization_config): each is kept as the object it is."""
    if not hasattr(config, "to_dict") or not hasattr(config, "__dict__") or id(config) in found:
        return
    attributes = {key: copy.deepcopy(v) if isinstance(v, (dict, list)) else v for key, v in vars(config).items()}
    found[id(config)] = (config, attributes)
    for value in attributes.values():
        _collect_config(value, found)
