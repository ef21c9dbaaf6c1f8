"""apns2 0.7.2 and what it stands on, importable on every supported Python. Import them from here and nowhere else.

hyper 0.7.0, h2 2.6 and hyperframe 3.2 take abstract base classes from `collections`, which lost them with Python 3.10.
They need them only while they are being imported, so the old names are lent for that moment and taken back: nothing
else in the process sees them. hyper's TLS also calls `ssl.match_hostname`, gone since Python 3.12; that is not lent,
because hyper's connection is not used (http2.py says why), and our TLS context checks host names itself.
"""

import collections
import collections.abc

_LENT = [name for name in ("Iterable", "Mapping", "MutableMapping", "MutableSet") if not hasattr(collections, name)]

for _name in _LENT:
    setattr(collections, _name, getattr(collections.abc, _name))
try:
    import apns2.client
    import apns2.credentials
    import apns2.payload
    import h2.config
    import h2.connection
    import h2.errors
    import h2.events
    import h2.exceptions
    import hpack
    import hyperframe.frame
finally:
    for _name in _LENT:
        delattr(collections, _name)

__all__ = ["apns2", "h2", "hpack", "hyperframe"]
