"""Where CSV records end, told for a whole buffer at once.

The check is the grammar of RFC 4180 by parity: outside quotes the next quote has to open a field, inside quotes it has to
close one or to be doubled. A buffer that passes can be cut and parsed by any CSV parser with the same result; one that does
not is left to the slow, exact reader. Where lines are joined until a record has its fields, a buffer passes when no line needs
that.

What belongs here: numpy over bytes. What does not: parsing fields.
"""

from __future__ import annotations

import numpy as np

_LF, _CR = 10, 13


def well_formed_end(buffer: bytes, delimiter: bytes, quote: bytes, *, limit: int, final: bool) -> int | None:
    """How many leading bytes of the buffer are whole, well-formed records.

    :param buffer: bytes that begin at the start of a record
    :param limit: the greatest length of a record that runs over several lines, in bytes; near it the slow reader decides
    :param final: nothing follows the buffer, so that its end ends a record
    :returns: the length, 0 when no record ends here, ``None`` when a quote stands where the grammar has none
    """
    if not quote or quote not in buffer:
        return len(buffer) if final else _last_newline(buffer)
    data = np.frombuffer(buffer, np.uint8)
    quotes = np.flatnonzero(data == ord(quote))
    if not _quotes_fit(data, quotes, ord(delimiter), ord(quote)):
        return None
    end = len(buffer) if final else _last_newline_outside(buffer, quotes)
    if final and len(quotes) % 2:
        return None
    return end if _longest_record(data, quotes) < limit - 1 else None


def even_lines_end(buffer: bytes, delimiter: bytes, width: int, *, final: bool) -> int | None:
    """How many leading bytes are whole lines, if every one of them has ``width`` fields; else ``None``.

    :param buffer: bytes without quotes that begin at the start of a line
    :param final: nothing follows the buffer, so that its end ends a line
    """
    end = len(buffer) if final else _last_newline(buffer)
    if end == 0:
        return 0
    data = np.frombuffer(buffer, np.uint8, end)
    ends = np.flatnonzero(_line_ends(data))
    if final and (not len(ends) or ends[-1] < end - 1):
        ends = np.append(ends, end)
    fields = np.bincount(np.searchsorted(ends, np.flatnonzero(data == ord(delimiter))), minlength=len(ends)) + 1
    return end if (fields == width).all() else None


def line_breaks(data: bytes) -> int:
    """How many line breaks there are: LF, CR, and CRLF as one."""
    # For buffers numpy is twice as fast, and other threads go on meanwhile; for single records it is not.
    long = len(data) > 16_384
    feeds = int(np.count_nonzero(np.frombuffer(data, np.uint8) == _LF)) if long else data.count(b"\n")
    return feeds + data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else feeds


def _line_ends(data: np.ndarray) -> np.ndarray:
    """Where lines end: at every LF, and at every CR that no LF follows."""
    feeds = data == _LF
    returns = data == _CR
    returns[:-1] &= ~feeds[1:]
    found: np.ndarray = feeds | returns
    return found


def _quotes_fit(data: np.ndarray, quotes: np.ndarray, delimiter: int, quote: int) -> bool:
    openers, closers = quotes[::2], quotes[1::2]
    before = data[np.maximum(openers, 1) - 1]
    fits = (openers == 0) | _ends_field(before, delimiter) | (before == quote)
    if not fits.all():
        return False
    # The byte after the very last quote may not have arrived yet; then it is checked when more has been read.
    known = closers[closers < len(data) - 1]
    after = data[known + 1]
    return bool((_ends_field(after, delimiter) | (after == quote)).all())


def _longest_record(data: np.ndarray, quotes: np.ndarray) -> int:
    """Length of the longest record, an unfinished last one included; at most one byte less than it is, for CRLF."""
    breaks = np.flatnonzero((data == _LF) | (data == _CR))
    outside = breaks[np.searchsorted(quotes, breaks) % 2 == 0]
    return int(np.diff(outside, prepend=-1, append=len(data)).max())


def _ends_field(data: np.ndarray, delimiter: int) -> np.ndarray:
    found: np.ndarray = (data == delimiter) | (data == _LF) | (data == _CR)
    return found


def _last_newline(buffer: bytes) -> int:
    """End of the last line; a carriage return at the very end may be half of a CRLF, so it waits."""
    end = max(buffer.rfind(b"\n"), buffer.rfind(b"\r", 0, len(buffer) - 1))
    return end + 1


def _last_newline_outside(buffer: bytes, quotes: np.ndarray) -> int:
    """End of the last line break that stands outside quotes: an even number of quotes before it."""
    end = len(buffer)
    while end > 0:
        end = _last_newline(buffer[:end]) if end < len(buffer) else _last_newline(buffer)
        if end == 0 or np.searchsorted(quotes, end) % 2 == 0:
            return end
        end = int(quotes[np.searchsorted(quotes, end) - 1])
    return 0
