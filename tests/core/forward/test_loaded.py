"""Weights that are loaded are borrowed by name and by what they hold."""

from dataclasses import replace

from core.forward.loaded import loaded_runtime, remember
from tests.replaced_files import with_other_weights


def test_a_runtime_whose_files_were_replaced_since_is_not_borrowed(tiny):
    spec = replace(tiny.spec, saes={}, layers=())
    found = loaded_runtime(spec, "cpu")
    assert found is not None and found.digests.weights == tiny.runtime.digests.weights
    stale = replace(with_other_weights(tiny).runtime, spec=replace(tiny.spec, revision="stale"))
    assert remember(stale) is stale
    assert loaded_runtime(stale.spec) is None
