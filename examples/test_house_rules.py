"""Tests of ``house_rules``, without sockets."""

from house_rules import app

from postmill.api import Reject
from postmill.testing import deliver


def test_strangers_do_not_reach_the_staff() -> None:
    done = deliver(app, to=["team@staff.example", "jane@example.org"])
    assert done.refused == {"team@staff.example": "550 5.7.1 Authentication required"}
    assert done.recipients == ("jane@example.org",)
    assert deliver(app, to=["team@staff.example"]).verdict == Reject("5.7.1 Authentication required")


def test_users_do_and_their_mail_is_not_marked() -> None:
    done = deliver(app, to=["team@staff.example"], user="joe")
    assert (done.status, done.all("X-External")) == ("accept", ())


def test_mail_from_outside_is_marked() -> None:
    assert deliver(app).all("X-External") == ("yes",)
