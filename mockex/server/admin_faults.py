"""The `faults` part of the admin API: what is on, one more, one less, a script."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.exceptions import HTTPException

from mockex.errors import FaultError, Problem, ScriptError
from mockex.faults.catalogue import NoSuchFault, class_named, fields_of, kinds, make
from mockex.faults.model import Fault
from mockex.faults.schema import fault_schema, script_schema
from mockex.faults.script import trigger_of
from mockex.faults.script_reading import load, parse
from mockex.faults.trigger import Now, Trigger
from mockex.server.desk import Desk
from mockex.server.script_run import END_S, ScriptRun

Wait = Annotated[Literal["no", "seen"], Query(description="Answer once it was seen.")]
Within = Annotated[float, Query(ge=0, le=600, description="How long to wait for it, in seconds.")]


@dataclass(frozen=True, slots=True)
class FaultTold:
    """One injected fault. Times are seconds since the exchange opened. `fields` are those that
    differ from their defaults, null for a fault that was not asked for here; `on`: it still does
    something by itself, or to attempts and requests to come."""

    id: int
    fault: str
    phase: Literal["injected", "seen", "ended"]
    on: bool
    times_seen: int
    injected_s: float
    seen_s: float | None
    ended_s: float | None
    fields: dict[str, Any] | None
    when: dict[str, Any] | None
    conns: list[int]
    detail: str
    failure: str


@dataclass(frozen=True, slots=True)
class FaultsTold:
    """All injected faults, in the order of their injection."""

    faults: list[FaultTold]


@dataclass(frozen=True, slots=True)
class FieldTold:
    """A field of a kind of fault."""

    name: str
    type: str
    required: bool
    default: Any
    unit: str
    about: str


@dataclass(frozen=True, slots=True)
class KindTold:
    """A kind of fault. `on_link`: it needs one; `lasts`: until it is ended."""

    name: str
    spelled: str
    about: str
    on_link: bool
    lasts: bool
    fields: list[FieldTold]


@dataclass(frozen=True, slots=True)
class KindsTold:
    """All kinds of faults."""

    types: list[KindTold]


@dataclass(frozen=True, slots=True)
class Moment:
    """A step in the life of a fault of a script: `line` is where the script asks for it."""

    id: int
    fault: str
    line: int
    phase: Literal["injected", "seen", "ended"]
    at_s: float
    conns: list[int]
    detail: str


@dataclass(frozen=True, slots=True)
class RunTold:
    """A script that was started. `over`: it injects and ends nothing more. `moments` are those
    after the number that was asked for, which goes on at `next`; `unseen` are faults that were
    neither seen nor given up."""

    id: int
    steps: int
    over: bool
    next: int = 0
    moments: list[Moment] = field(default_factory=list)
    unseen: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ended:
    """Numbers of the faults that were on, and of those that still are."""

    ended: list[int]
    still_on: list[int] = field(default_factory=list)


def faults_router(desk: Desk) -> APIRouter:
    """What stands under `/faults`."""
    router = APIRouter(prefix="/faults", tags=["faults"])
    add_faults(router, desk)
    add_runs(router, desk)
    return router


def add_faults(router: APIRouter, desk: Desk) -> None:
    """Single faults, and all of them."""

    @router.get("", summary="All that were injected")
    async def listed() -> FaultsTold:
        return FaultsTold([_told(desk, number) for number in desk.faults.all])

    @router.get("/types", summary="What there is")
    async def types() -> KindsTold:
        return msgspec.convert({"types": msgspec.to_builtins(kinds())}, KindsTold)

    @router.post(
        "",
        status_code=HTTPStatus.CREATED,
        summary="Inject one",
        openapi_extra=_body(fault_schema()),
    )
    async def add(
        request: Request,
        response: Response,
        wait: Wait = "no",
        within_s: Within = 5.0,
    ) -> FaultTold:
        number = desk.inject(_fault_of(await request.body())).id
        response.headers["Location"] = f"{request.url.path}/{number}"
        if wait == "seen":
            await desk.settled(number, within_s)
        return _told(desk, number)

    @router.delete("", summary="End every one that lasts, and every script")
    async def calm() -> Ended:
        on = desk.calm()
        left = await desk.until_over(on, END_S)
        return Ended([number for number in on if number not in left], left)

    @router.get("/{number}", summary="One")
    async def one(number: int, wait: Wait = "no", within_s: Within = 5.0) -> FaultTold:
        _known(desk, number)
        if wait == "seen":
            await desk.settled(number, within_s)
        return _told(desk, number)

    @router.delete("/{number}", summary="End one that lasts")
    async def end(number: int) -> FaultTold:
        desk.end(_known(desk, number))
        if await desk.until_over([number], END_S):
            raise FaultError(f"fault {number} was told to end, and has not within {END_S:g} s")
        return _told(desk, number)


def add_runs(router: APIRouter, desk: Desk) -> None:
    """Scripts."""

    @router.post(
        "/run",
        status_code=HTTPStatus.CREATED,
        summary="Start a script",
        openapi_extra=_body(script_schema(), toml=True),
    )
    async def run(
        request: Request,
        response: Response,
        file: Annotated[str, Query(max_length=300, description="Its name in messages.")] = "script",
    ) -> RunTold:
        toml = "toml" in request.headers.get("content-type", "")
        source = await request.body()
        # Ten thousand steps take half a second to read: the exchange goes on meanwhile.
        script = await asyncio.to_thread(parse, source, toml=toml, file=file)
        started = desk.play(script)
        response.headers["Location"] = f"{request.url.path}s/{started.number}"
        return RunTold(started.number, len(script.steps), started.over)

    @router.get("/runs/{number}", summary="What a script has done")
    async def progress(
        number: int,
        after: Annotated[int, Query(ge=0, description="`next` of the last answer.")] = 0,
        within_s: Within = 0.0,
    ) -> RunTold:
        run = _known_run(desk, number)
        await run.news(after, within_s)
        return _run_told(desk, run, after)

    @router.delete("/runs/{number}", summary="Stop a script, and end what is on because of it")
    async def stop(number: int) -> RunTold:
        run = _known_run(desk, number)
        run.stop()
        return _run_told(desk, run, 0)


def _body(schema: dict[str, Any], *, toml: bool = False) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if toml:
        content["application/toml"] = {"schema": {"type": "string"}}
    return {"requestBody": {"required": True, "content": content}}


def _fault_of(source: bytes) -> Fault:
    """The fault that a body asks for.

    Raises:
        ScriptError: it asks for none that can be.
    """
    data, found = load(source, toml=False, file="body")
    if not isinstance(data, dict):
        raise ScriptError("body", [Problem(0, "", 'expected an object, like {"fault": "Reset"}')])
    fields = {key: value for key, value in data.items() if key not in ("fault", "when")}
    trigger: Trigger = Now()
    wrong = []
    if "when" in data:
        read = trigger_of(data["when"])
        if isinstance(read, list):
            wrong += read
        else:
            trigger = read
    try:
        made = make(class_named(str(data.get("fault"))), fields, when=trigger, others=("when",))
    except NoSuchFault as error:
        raise ScriptError("body", [Problem(found.line(("fault",)), "fault", str(error))]) from None
    if isinstance(made, list):
        wrong += made
    elif not wrong:
        return made
    problems = [Problem(found.line((w.key,)), w.key, w.why) for w in wrong]
    raise ScriptError("body", problems)


def _known(desk: Desk, number: int) -> int:
    if number not in desk.faults.all:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no fault has the number {number}")
    return number


def _known_run(desk: Desk, number: int) -> ScriptRun:
    if number not in desk.runs:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no script has the number {number}")
    return desk.runs[number]


def _told(desk: Desk, number: int) -> FaultTold:
    record, fault = desk.faults.all[number], desk.asked.get(number)
    return FaultTold(
        id=number,
        fault=record.kind,
        phase=record.phase,
        on=desk.is_on(number),
        times_seen=record.times_seen,
        injected_s=_since(desk, record.injected_at),
        seen_s=None if record.seen_at is None else _since(desk, record.seen_at),
        ended_s=None if record.ended_at is None else _since(desk, record.ended_at),
        fields=None if fault is None else fields_of(fault),
        when=None if fault is None or isinstance(fault.when, Now) else asdict(fault.when),
        conns=record.conns,
        detail=record.detail,
        failure=record.failure,
    )


def _run_told(desk: Desk, run: ScriptRun, after: int) -> RunTold:
    moments = [
        Moment(
            id=entry.fault,
            fault=entry.kind,
            line=run.script.steps[run.faults[entry.fault]].line,
            phase=entry.phase,
            at_s=_since(desk, entry.t),
            conns=entry.conns,
            detail=entry.detail,
        )
        for entry in run.moments[after:]
    ]
    return RunTold(
        run.number, len(run.script.steps), run.over, len(run.moments), moments, run.unseen()
    )


def _since(desk: Desk, loop_time: float) -> float:
    return round(loop_time - desk.exchange.clock.opened_at, 3)
