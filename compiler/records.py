"""Immutable records: what `dataclass(frozen=True, slots=True)` makes, in a fifth of the time.

The package has a hundred of them, and for each the standard decorator compiles seven functions: that was a third of the
time of importing it.  Here only ``__init__`` is compiled, which calls come to often enough to want their own arguments;
the other methods are the same for all records.  They are dataclasses still: ``replace`` and ``fields`` take them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    from dataclasses import MISSING, FrozenInstanceError, dataclass
    from operator import attrgetter

    def record(*, frozen: bool, slots: bool, eq: bool = True) -> Any:
        """Class decorator for frozen classes with slots, as type checkers are told in the words of `dataclass`.

        Records are equal if they are of one class and their fields are, or only to themselves without `eq`.  There are
        no default factories."""
        assert frozen and slots
        return _equal if eq else _made

    def _equal(cls: type) -> type:
        made = _made(cls)
        values = attrgetter(*made.__match_args__) if made.__match_args__ else lambda self: ()

        def __eq__(self: Any, other: object) -> Any:
            return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

        def __hash__(self: Any) -> int:
            return hash(values(self))

        for method in (__eq__, __hash__):
            if method.__name__ not in cls.__dict__:
                setattr(made, method.__name__, method)
        return made

    def _made(cls: type) -> type:
        made = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
        made.__init__ = _init(made)
        made.__setattr__, made.__delattr__, made.__reduce__ = _refuse, _refuse, _reduce
        if "__repr__" not in cls.__dict__:
            made.__repr__ = _repr
        return made

    def _init(cls: Any) -> Any:
        """The function ``__init__`` of a class with slots: they are filled by their descriptors."""
        names = cls.__match_args__
        fields = cls.__dataclass_fields__
        known = {f"set_{n}": getattr(cls, n).__set__ for n in names}
        defaults = {f"default_{n}": fields[n].default for n in names if fields[n].default is not MISSING}
        head = ", ".join(f"{n}=default_{n}" if f"default_{n}" in defaults else n for n in ("self", *names))
        body = "; ".join(f"set_{n}(self, {n})" for n in names) or "pass"
        space = {**known, **defaults}
        exec(f"def __init__({head}): {body}", space)
        found = space["__init__"]
        found.__qualname__ = f"{cls.__qualname__}.__init__"
        return found

    def _refuse(self: Any, name: str, *value: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _reduce(self: Any) -> tuple[Any, ...]:
        return self.__class__, tuple([getattr(self, n) for n in self.__match_args__])

    def _repr(self: Any) -> str:
        shown = ", ".join([f"{n}={getattr(self, n)!r}" for n in self.__match_args__])
        return f"{self.__class__.__qualname__}({shown})"


__all__ = ["record"]
