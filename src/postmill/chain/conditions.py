"""Whether a child takes part, decided as soon as its conditions can tell (``postmill.api.conditions``).

A child whose conditions are not all decided hears nothing yet; once they all hold it is told what it missed
(``links.catch_up``), and if one does not, it is left out: of the connection when that is settled by CONNECT
or HELO, else of the message. As long as it was not asked it counts as having said continue.

A condition that fails is a fault of its child, whose ``on_error`` decides.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from postmill.api.conditions import Answer, Apply, Skip
from postmill.api.nouns import Client, Envelope, Greeting, Head, Noun, Recipient, Sender
from postmill.api.nouns import Message as WholeMessage
from postmill.api.ports import Verdicts
from postmill.chain.applying import LEVEL, OF_MESSAGE
from postmill.chain.child import TAKING_PART
from postmill.chain.edits import names_of_headers
from postmill.chain.event import Event
from postmill.chain.judgement import QUIT, lose, lose_for_message
from postmill.chain.steps import Chain, CloseChild, Lost, Outcome, Settle, word_for
from postmill.wire.codes import Command

if TYPE_CHECKING:
    from postmill.chain.child import Child
    from postmill.chain.state import State

_KNOWN_AT: Mapping[int, type[Noun]] = {
    int(Command.CONNECT): Client,
    int(Command.HELO): Greeting,
    int(Command.MAIL): Sender,
    int(Command.RCPT): Recipient,
    int(Command.DATA): Envelope,
    int(Command.BODYEOB): WholeMessage,
}
"""What an event makes known; the headers are looked at together with the body."""
_AFTER_RECIPIENTS = (Command.RCPT, Command.DATA, Command.BODYEOB)


def decide(state: State, event: Event) -> Chain[None]:
    """Ask the conditions that can tell at an event of the envelope, before anybody is asked about it."""
    if event.letter not in _KNOWN_AT or event.rejected:
        return
    if event.letter == Command.HELO:
        yield from _begin_again(state)
    yield from _ask(state, state.children, event)


def decide_content(state: State, child: Child) -> Chain[None]:
    """Ask the conditions of one child whose turn has come to be shown the message."""
    yield from _ask(state, (child,), Event(int(Command.BODYEOB), b"", None))


def forget(child: Child, level: int = OF_MESSAGE) -> None:
    """Take back what was decided, and said, about the message that is over."""
    child.said = None
    child.edits_said = ()
    child.late = 0
    child.late_refusal = None
    if child.failed:
        child.failed = False
        child.sticky, child.state = None, TAKING_PART
    if child.applying is not None:
        child.applying.forget(level)
        _settle(child)


def forget_connection(child: Child) -> None:
    """Take back everything."""
    child.said_to_connection = None
    forget(child, LEVEL[Client])


def said_by(child: Child) -> str:
    """Return the word for what a child said about the message so far."""
    if child.skipped:
        return "skipped"
    outcome = child.said or child.said_to_connection
    return "continue" if outcome is None else _word(outcome)


def _word(outcome: Outcome) -> str:
    if isinstance(outcome, Lost):
        return "lost"
    return "quarantine" if outcome.hold is not None else word_for(outcome.letter, outcome.text)


def _begin_again(state: State) -> Chain[None]:
    """HELO may come again, after STARTTLS: what depends on it is decided anew.

    A child that has a link and is not told this HELO could not be told it later on the same link.
    """
    for child in state.children:
        if child.applying is not None:
            forget(child, LEVEL[Greeting])
            if child.waits and child.open:
                yield CloseChild(child, QUIT)
                child.forget_link()


def _settle(child: Child) -> None:
    """Work out from the answers whether the child may be asked, and with which macros."""
    applying = child.applying
    assert applying is not None
    child.skipped = applying.skipped
    child.waits = not applying.decided or child.skipped
    child.given = applying.macros()


def _ask(state: State, children: Iterable[Child], event: Event) -> Chain[None]:
    """Ask what can be asked: first what answers at once, then, of those still in, what has to wait."""
    undecided = [child for child in children if child.waits and not child.skipped]
    for child in undecided:
        for question in _questions(child, event, waiting=False):
            _take(state, child, *question, _put(state, child, *question, event), event)
    waiting = [
        (child, *question, _put(state, child, *question, event))
        for child in undecided
        for question in _questions(child, event, waiting=True)
    ]
    if not waiting:
        return
    work = Settle(tuple(_awaitable(answer) for *_, answer in waiting))
    yield work
    for (child, index, noun, _), answer in zip(waiting, work.results, strict=True):
        _take(state, child, index, noun, answer, event)


def _questions(child: Child, event: Event, waiting: bool) -> Iterable[tuple[int, type[Noun]]]:
    """Yield what is to be put to a child's conditions now, until one of them leaves the child out."""
    assert child.applying is not None
    for index, noun in child.applying.questions(LEVEL[_KNOWN_AT[event.letter]]):
        if not child.waits or child.skipped:
            return
        if child.applying.uses[index].condition.waits is waiting:
            yield index, noun


def _put(
    state: State, child: Child, index: int, noun: type[Noun], event: Event
) -> Answer | Awaitable[Answer] | Exception:
    """Put one question; what somebody else's code raises is an answer like another."""
    assert child.applying is not None
    use = child.applying.uses[index]
    try:
        ports = {port: _port(state, child, port) for port in use.condition.ports.values()}
        return use.condition.ask(_noun(state, noun, event), use.settings, ports)
    except Exception as error:
        return error


async def _said(answer: object) -> object:
    return answer


def _awaitable(answer: Answer | Awaitable[Answer] | Exception) -> Awaitable[object]:
    return answer if isinstance(answer, Awaitable) else _said(answer)


def _take(state: State, child: Child, index: int, noun: type[Noun], answer: object, event: Event) -> None:
    """Take in one answer, or the failure to give one."""
    applying = child.applying
    assert applying is not None
    if child.skipped or not child.waits or applying.answers[index] is not None:
        return  # settled meanwhile
    if answer is None and not applying.must_decide(index, noun):
        applying.take(index, noun, None)
        return
    use = applying.uses[index]
    if not isinstance(answer, Apply | Skip):
        lost = Lost("condition", f"condition {applying.label(index)}: {_words(answer)}")
        state.observer.answered(child.name, event.letter, lost, child.spec.evaluate)
        _fail(state, child, lost, LEVEL[noun])
        return
    meaning = use.meaning(answer)
    applying.take(index, noun, meaning)
    state.observer.condition(child.name, applying.label(index), isinstance(meaning, Apply), meaning.because)
    _settle(child)
    if not child.waits and event.letter in _AFTER_RECIPIENTS and state.message is not None:
        child.late = len(state.message.rcpts)


def _fail(state: State, child: Child, lost: Lost, level: int) -> None:
    """Let a child fail because nobody can say whether it is to be asked."""
    child.waits = False
    if level >= OF_MESSAGE:
        child.said = lost
        child.failed = True
        lose_for_message(state, child, lost)
    else:
        child.said_to_connection = lost
        lose(state, child, lost)


def _words(answer: object) -> str:
    """Say what was raised, and where."""
    if not isinstance(answer, BaseException):
        return f"answered {answer!r}, not Apply or Skip"
    frames = traceback.extract_tb(answer.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(answer).__name__}: {answer}{where}"


def _port(state: State, child: Child, port: type[Any]) -> Any:
    if port is not Verdicts:
        return state.ports[port]()
    earlier = state.children[: child.index]
    return Verdicts(
        {other.name: said_by(other) for other in earlier},
        {other.name: names_of_headers(other.edits_said) for other in earlier},
    )


def _noun(state: State, noun: type[Noun], event: Event) -> Noun:
    view, message = state.view, state.message
    if noun is Recipient:
        return view.recipient(state, event)
    if noun is Head or noun is WholeMessage:
        assert message is not None
        return view.head(state, message) if noun is Head else view.message(state, message)
    of: Mapping[type[Noun], Callable[[State], Noun]] = {
        Client: view.client,
        Greeting: view.greeting,
        Sender: view.sender,
        Envelope: view.envelope,
    }
    return of[noun](state)
