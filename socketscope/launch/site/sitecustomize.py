"""First on the path of what `socketscope run` starts: has servers observed from the moment they serve.

Any Python that runs the program or its children imports this at its start. So it costs next to nothing, loads
nothing that the program would not load by itself, and never fails.
"""

import os
import sys
from _thread import get_ident

_FOLDER = os.path.dirname(__file__)
_METHODS = {
    "socketserver": ("BaseServer", ("serve_forever", "handle_request", "_handle_request_noblock")),
    "socketscope.serve.mixin": ("Observed", ("serve_forever",)),
}
"""The methods that are hooked, by their module: the program may use the library's classes, too."""

_look_after = None  # `program.look_after`, once something serves


class _Watch:
    """Finds modules as the other finders do, and hooks the classes above once they are loaded."""

    def __init__(self):
        self._finding = set()

    def find_spec(self, name, path=None, target=None):
        """Return a module's spec if it is one of those."""
        if name not in _METHODS:
            return None
        # A finder that it asks may ask it in turn, such as one that a program has put around it.
        asked = name, get_ident()
        if asked in self._finding:
            return None
        self._finding.add(asked)
        try:
            for finder in sys.meta_path:
                if finder is not self and hasattr(finder, "find_spec"):
                    spec = finder.find_spec(name, path, target)
                    if spec is not None:
                        _follow(spec)
                        return spec
        finally:
            self._finding.discard(asked)
        return None


def _follow(spec):
    # For a lazy loader, take the loader behind it: if all finders were wrapped, the wrapper of this one makes
    # it lazy again, and what is lazy twice never loads.
    while (loader := getattr(spec.loader, "loader", None)) is not None:
        spec.loader = loader
    loader = spec.loader
    try:
        load = loader.exec_module

        def load_and_hook(module):
            # Whoever looks at the module's loader later finds no trace of this.
            del loader.exec_module
            load(module)
            # A lazy module would load again if it were asked for a name now.
            names = object.__getattribute__(module, "__dict__")
            # An archive has one loader for all of its modules.
            if names["__name__"] in _METHODS:
                _hook(names)

        loader.exec_module = load_and_hook
    except AttributeError:
        pass


def _hook(attributes):
    from functools import wraps  # socketserver has loaded it

    class_name, names = _METHODS[attributes["__name__"]]
    kind = attributes[class_name]

    def hook(name):
        original = getattr(kind, name)

        @wraps(original)
        def method(server, *args, **kwargs):
            return _method(server, original)(server, *args, **kwargs)

        setattr(kind, name, method)

    for name in names:
        hook(name)


def _method(server, original):
    """Return the method to call for a server that is about to serve."""
    if _look_after is not None:
        return _look_after(server, original)
    from threading import Thread  # socketserver has loaded it

    methods = [original]

    def load():
        global _look_after  # noqa: PLW0603 - there is one a process
        look_after = _load()
        methods.append(look_after(server, original))
        _look_after = look_after

    # Signal handlers run in the main thread. What they raise is for the program, and must not look like a
    # failure to load.
    thread = Thread(target=load, name="socketscope")
    try:
        thread.start()
    except RuntimeError:  # there can be no more threads, as where the interpreter ends
        load()
    else:
        try:
            thread.join()
        finally:
            thread.join()  # a handler may have ended the other one
    return methods[-1]


def _forget():
    global _look_after  # noqa: PLW0603 - there is one a process
    _look_after = None  # a child loads it anew when something serves there


def _load():
    """Return the function that looks after servers; if it cannot be loaded, one that leaves them alone."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(_FOLDER)))
    # Found even if it is not installed; then what stands beside it must not be found later.
    beside = root not in sys.path
    if beside:
        sys.path.append(root)
    try:
        from socketscope.launch.program import look_after  # not before something serves
    except Exception as error:  # noqa: BLE001 - whatever it is, the program goes on
        return _leave_alone(error)
    finally:
        if beside:
            sys.path.remove(root)
    return look_after


def _leave_alone(error):
    """Tell whoever launched a Python that it lacks what observing needs; those that it starts are silent."""
    if os.environ.get("SOCKETSCOPE_LAUNCHED") == str(os.getpid()) and sys.__stderr__ is not None:
        try:
            line = "socketscope: %s observes nothing: %s\n" % (sys.executable, error)  # noqa: UP031
            # Past the buffer, which would keep what cannot be written, and turn the exit status into 120.
            os.write(2, line.encode())
        except Exception:  # noqa: BLE001, S110 - `contextlib` may be missing
            pass
    return lambda _, original: original


while _FOLDER in sys.path:
    sys.path.remove(_FOLDER)
if sys.version_info >= (3, 11):
    sys.meta_path.insert(0, _Watch())
    os.register_at_fork(after_in_child=_forget)
    if "socketserver" in sys.modules:
        _hook(vars(sys.modules["socketserver"]))

# The environment's own takes the place of this one. If there is none, or it fails, that shows as without us.
del sys.modules["sitecustomize"]
import sitecustomize  # noqa: E402, F401
