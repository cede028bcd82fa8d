"""Looking for a secret where it must not be."""

import base64


def traces(secret):
    """What a secret leaves where it is written: as it is, and within base64 or hexadecimal text."""
    raw = secret.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for before in range(3):
        # Behind this many other bytes; the first and last digits depend on what is around it.
        text = base64.b64encode(bytes(before) + raw)
        inner = text[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def holds(haystack, secret):
    """Whether some bytes hold a secret in any of these forms."""
    return any(trace in haystack for trace in traces(secret))
