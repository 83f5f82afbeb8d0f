"""How often Python looks for garbage."""

import gc

from dialtone.runtime import garbage


def test_what_is_there_when_settled_is_not_looked_through_again() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        garbage.settle()
        assert gc.get_threshold()[0] == garbage.PILED_UP
        assert gc.get_freeze_count() > frozen
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
