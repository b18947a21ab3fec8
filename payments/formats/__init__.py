"""One module a format: each holds FORMAT, an object of the protocol `payments.formats.base.Format`. To add a format is to
add a module here: the registry finds it by itself."""
