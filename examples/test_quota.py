"""Tests of ``quota``; the fixture keeps store and clock from message to message."""

from quota import app

from postmill.testing.pytest_plugin import Deliverer

TWO = {"recipients": 2}


def test_the_third_recipient_waits_for_an_hour(postmill_deliver: Deliverer) -> None:
    done = postmill_deliver(app, to=["a@x.example", "b@x.example", "c@x.example"], user="joe", settings=TWO)
    assert done.recipients == ("a@x.example", "b@x.example")
    assert done.refused == {"c@x.example": "451 4.7.1 Too many recipients, try again later"}
    assert postmill_deliver(app, user="joe", settings=TWO).status == "temporary-failure"
    assert postmill_deliver(app, user="ann", settings=TWO).status == "accept"
    postmill_deliver.wait(minutes=61)
    assert postmill_deliver(app, user="joe", settings=TWO).status == "accept"


def test_mail_to_oneself_and_from_strangers_is_free(postmill_deliver: Deliverer) -> None:
    for _ in range(3):
        assert postmill_deliver(app, to=["joe@example.org"], user="joe", settings=TWO).status == "accept"
        assert postmill_deliver(app, settings=TWO).status == "accept"
