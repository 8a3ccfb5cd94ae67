"""Many events at once, from columns to NDJSON without a loop per event where a
fast way exists: Polars' own writer when it is installed, else one template."""

from __future__ import annotations

from itertools import chain
from typing import Any, Iterator, Sequence

from .encode import quote, random_id

#: Most events of one part; the node commits that many at a time.
PART = 16_384

_FIELDS = ("entity", "timestamp", "value", "unique_id")


class Columns:
    """Columns of equal length: a mapping of arrays, or a pandas or Polars frame."""

    def __init__(self, data: Any, values: Sequence[str], attributes: Sequence[str],
                 must_identify: bool = False) -> None:
        present = list(data.columns) if hasattr(data, "columns") else list(data)
        self._fields = [name for name in _FIELDS if name in present]
        if "entity" not in self._fields and not attributes:
            raise ValueError("a column 'entity' is needed, or attributes to derive it from")
        for name in (*values, *attributes):
            if name not in present:
                raise ValueError(f"there is no column {name!r}")
        self._values, self._attributes = list(values), list(attributes)
        self._columns = {name: data[name] for name in (*self._fields, *values, *attributes)}
        if must_identify and "unique_id" not in self._fields:
            # Random once for all of them: a part that is repeated is recognised.
            first = next(iter(self._columns.values()))
            of_all = random_id()
            self._fields.append("unique_id")
            self._columns["unique_id"] = [f"{of_all}-{row}" for row in range(len(first))]
        lengths = {len(column) for column in self._columns.values()}
        if len(lengths) != 1:
            raise ValueError(f"columns differ in length: {sorted(lengths)}")
        self.length = lengths.pop()

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """Yields the number of events and the NDJSON of each part."""
        try:
            import polars
        except ImportError:
            polars = None  # type: ignore[assignment]
        for start in range(0, self.length, PART):
            cut = {name: column[start:start + PART] for name, column in self._columns.items()}
            count = min(PART, self.length - start)
            if polars is not None and not self._attributes and not self._values:
                yield count, _by_polars(polars, cut)
            else:
                yield count, self._by_template(cut, count)

    def _by_template(self, cut: dict[str, Any], count: int) -> bytes:
        pieces: list[list[str]] = []
        words: list[str] = []
        for name in self._fields:
            words.append(f'"{name}":%s')
            pieces.append(_texts(name, cut[name]))
        for group, names in (("values", self._values), ("attributes", self._attributes)):
            if names:
                inner = ",".join(f"{quote(name)}:".replace("%", "%%") + "%s" for name in names)
                words.append(f'"{group}":{{{inner}}}')
                kind = "value" if group == "values" else "attribute"
                pieces.extend(_texts(kind, cut[name]) for name in names)
        row = "{" + ",".join(words) + "}\n"
        flat = tuple(chain.from_iterable(zip(*pieces))) if len(pieces) > 1 else tuple(pieces[0])
        return ((row * count) % flat).encode()


def _texts(name: str, column: Any) -> list[str]:
    """Returns each element of a column as JSON."""
    column = _plain_times(column) if name == "timestamp" else column
    items = column.to_list() if hasattr(column, "to_list") else (
        column.tolist() if hasattr(column, "tolist") else list(column))
    if any(item is None for item in items):
        raise ValueError(f"{name}: an element is missing")
    if name == "value":
        texts = list(map(repr, map(float, items)))
        if any(text in ("nan", "inf", "-inf") for text in texts):
            raise ValueError("a value is not finite")
        return texts
    if name == "attribute":
        import json
        return [json.dumps(item, ensure_ascii=False, allow_nan=False) for item in items]
    if name == "timestamp":
        return [str(item) if isinstance(item, int) else
                repr(item) if isinstance(item, float) else quote(str(item)) for item in items]
    return list(map(quote, items if items and type(items[0]) is str else map(str, items)))


def _plain_times(column: Any) -> Any:
    """Turns times of NumPy and of frames into microseconds since 1970."""
    kind = str(getattr(column, "dtype", ""))
    if kind.startswith("datetime64"):
        array = column.to_numpy() if hasattr(column, "to_numpy") else column
        return array.astype("datetime64[us]").astype("int64")
    if kind.startswith("Datetime"):
        return column.dt.epoch("us")
    return column


def _by_polars(polars: Any, cut: dict[str, Any]) -> bytes:
    series = []
    for name, column in cut.items():
        column = _plain_times(column) if name == "timestamp" else column
        if name in ("entity", "unique_id") and type(column).__module__.startswith("pandas"):
            column = column.tolist()
        made = polars.Series(name, column)
        if name == "value":
            made = made.cast(polars.Float64)
            if made.null_count() or not made.is_finite().all():
                raise ValueError("a value is missing or not finite")
        elif made.null_count():
            raise ValueError(f"{name}: an element is missing")
        elif name in ("entity", "unique_id"):
            made = made.cast(polars.String)
        series.append(made)
    text = polars.DataFrame(series).write_ndjson()
    return str(text).encode()
