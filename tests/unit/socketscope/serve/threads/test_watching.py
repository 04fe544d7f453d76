"""Whoever watches over connections leaves when there are none, and no connection falls between."""

import threading

from socketscope.limits import Limits
from socketscope.observe.record import Record
from socketscope.observe.totals import Capacity, StreamTotals
from socketscope.serve.threads import deadlines as watching
from socketscope.serve.threads.deadlines import Deadlines
from tests.unit.socketscope.patience import PATIENCE, until


def test_a_connection_that_comes_while_the_thread_leaves_is_watched_over(monkeypatch):
    monkeypatch.setattr(watching, "LOOK", 0.001)
    totals = StreamTotals(Capacity(1))
    deadlines = Deadlines(totals)

    class Records(dict[Record, None]):
        """Tells that it is empty, and is not by the time that this is known."""

        def __bool__(self):
            empty = not len(self)
            if empty:
                self[Record(totals, "", 0.0, Limits())] = None
                self.coming = threading.Thread(target=deadlines.watch)
                self.coming.start()
                self.coming.join(0.1)
            return not empty

    totals.records = records = Records()
    deadlines.watching = True
    deadlines._leave()
    records.coming.join(PATIENCE)
    assert deadlines.watching
    totals.records = {}
    until(lambda: not deadlines.watching)
