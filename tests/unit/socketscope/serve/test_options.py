import http.server
import socketserver

import pytest
from prometheus_client import CollectorRegistry

import socketscope
from socketscope import Limits
from socketscope.serve.options import Options, declared

TIGHT, WIDE = Limits(max_connections=1), Limits(max_connections=2)
REGISTRY = CollectorRegistry()


class Base(socketscope.ThreadingTCPServer, limits=TIGHT, listener="base"):
    pass


def test_a_class_has_the_defaults_unless_told_otherwise():
    assert declared(socketscope.ThreadingTCPServer) == Options()
    assert Options() == Options(limits=Limits(), listener=None, registry=None, threads="elastic")


def test_options_are_inherited_and_each_can_be_overridden():
    class Sub(Base, registry=REGISTRY, threads="per-connection"):
        pass

    class SubSub(Sub, limits=WIDE):
        pass

    assert declared(Base) == Options(limits=TIGHT, listener="base")
    assert declared(Sub) == Options(
        limits=TIGHT, listener="base", registry=REGISTRY, threads="per-connection"
    )
    assert declared(SubSub) == Options(
        limits=WIDE, listener="base", registry=REGISTRY, threads="per-connection"
    )


def test_of_several_bases_the_first_one_counts():
    class Other(socketscope.ThreadingMixIn, limits=WIDE, threads="per-connection"):
        pass

    class Both(Base, Other):
        pass

    assert declared(Both) == Options(limits=TIGHT, listener="base", threads="per-connection")


def test_other_keywords_are_for_other_classes():
    class Plugin:
        plugin: str

        def __init_subclass__(cls, *, plugin, **more):
            super().__init_subclass__(**more)
            cls.plugin = plugin

    class Server(socketscope.ThreadingMixIn, Plugin, http.server.HTTPServer, plugin="mine", listener="web"):
        pass

    assert (Server.plugin, declared(Server).listener) == ("mine", "web")


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"threads": "elastc"}, ValueError, "threads is 'elastc': it must be 'elastic' or 'per-connection'"),
        ({"limits": {"max_connections": 5}}, TypeError, "it must be socketscope.Limits"),
        ({"limit": TIGHT}, TypeError, "keyword"),
        ({"listener": 9000}, TypeError, "listener is 9000: it must be a string"),
        (
            {"processors": len},
            TypeError,
            "processors is <built-in function len>: it must be a list of functions",
        ),
        ({"listener": ""}, ValueError, "listener is '': it must be a name; None is the kind of listener"),
        ({"listener": "\udcff"}, ValueError, "listener is '\\\\udcff', which UTF-8 cannot write"),
        (
            {"registry": "mine"},
            TypeError,
            "registry is 'mine': it must be prometheus_client.CollectorRegistry",
        ),
    ],
)
def test_options_that_cannot_be_meant_are_refused_where_they_are_written(wrong, error, told):
    with pytest.raises(error, match=told):
        type("Server", (socketscope.ThreadingTCPServer,), {}, **wrong)
    with (
        socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server,
        pytest.raises(error),
    ):
        socketscope.observe(server, **wrong)


@pytest.mark.parametrize("order", [1, -1])
def test_a_forking_class_is_refused_in_one_line(order):
    bases = (socketserver.ForkingMixIn, socketscope.ThreadingTCPServer)[::order]
    with pytest.raises(TypeError, match="^Server forks for each client: [^\n]*$"):
        type("Server", bases, {})


def test_a_forking_server_cannot_be_observed():
    with socketserver.ForkingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        with pytest.raises(TypeError, match="^ForkingTCPServer forks for each client: [^\n]*$"):
            socketscope.observe(server)
        assert type(server) is socketserver.ForkingTCPServer


def test_of_a_server_that_is_not_observed_it_is_not_known_whether_a_stop_is_on():
    with (
        socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server,
        pytest.raises(TypeError, match="^this TCPServer is not observed$"),
    ):
        socketscope.is_draining(server)


def test_nothing_of_the_options_is_an_attribute_of_the_class():
    public = {name for kind in Base.__mro__ for name in vars(kind) if not name.startswith("_")}
    theirs = {name for name in dir(socketserver.ThreadingTCPServer) if not name.startswith("_")}
    assert public == theirs


def test_nothing_of_the_options_is_an_attribute_of_the_server():
    with Base(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        own = {name for name in vars(server) if "socketscope" in name}
        assert own == {"_socketscope"}
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as plain:
            assert set(vars(server)) - own == set(vars(plain))
