"""Placeholder."""
def open_clips(data, **kw):
    raise NotImplementedError
