"""The control path of tests, `/shim/…` in JSON: seeds, settings, faults, journal, world. No part of AWS."""

import json

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from werkzeug.wrappers import Response

from . import endpoints, rules, vpn
from .faults import Fault, Throttle


def answer(shim, request, body):
    handler = PATHS.get((request.method, request.path.removeprefix("/shim/")))
    if handler is None:
        return told({"error": f"no {request.method} {request.path}"}, 404)
    try:
        return told(handler(shim, json.loads(body or b"{}"), request.args))
    except (KeyError, TypeError, ValueError) as slip:
        return told({"error": f"{type(slip).__name__}: {slip}"}, 400)


def told(what, status=200):
    return Response(json.dumps(what, default=str), status, content_type="application/json")


def seed(shim, wanted, _):
    """VPCs as `network.seed` takes them, Client VPN endpoints as `vpn.seed` does, in `region`."""
    world = shim.world(wanted["region"])
    vpcs = world.network.seed(wanted.get("vpcs", []))
    return {"vpcs": vpcs, "client_vpns": [vpn.seed(world, each) for each in wanted.get("client_vpns", [])]}


def settings(shim, wanted, _):
    """`pace` {"ms"} or {"looks"}, `throttle` {"rate", "burst"} or null, `quotas` {name: number}; others stay."""
    if "pace" in wanted:
        shim.pace.set(**wanted["pace"])
    if "throttle" in wanted:
        shim.throttle = Throttle(**(wanted["throttle"] or {}))
    for name, number in wanted.get("quotas", {}).items():
        if name not in shim.quotas:
            raise ValueError(f"no quota {name}")
        shim.quotas[name] = int(number)
    return {"pace": {"ms": shim.pace.ms, "looks": shim.pace.looks}, "quotas": shim.quotas,
            "throttle": {"rate": shim.throttle.rate, "burst": shim.throttle.burst}}


def fault(shim, wanted, _):
    """One fault, or `clear`. Answers how many wait."""
    if wanted.pop("clear", False):
        shim.faults.waiting.clear()
    if wanted:
        shim.faults.waiting.append(Fault(**wanted))
    return {"waiting": len(shim.faults.waiting)}


def force(shim, wanted, _):
    """Sets members of an object, whatever the API allows: {"region", "id", "fields"}. For states that only trouble
    leads to, as an address FAILED_CREATION or an endpoint ACTION_NEEDED. A forced status of an endpoint is lifted by
    null."""
    world = shim.world(wanted["region"])
    world.pace.forget(wanted["id"])
    item = world.find(wanted["id"])
    fields = dict(wanted["fields"])
    if "_addresses" in item and "Status" in fields:
        item["_forced"] = fields.pop("Status")
    item.update(fields)
    return item


def journal(shim, _, query):
    """All calls, or those after the number `since`."""
    return {"calls": shim.journal.calls[int(query.get("since", 0)):]}


def rate(shim, _, __):
    return shim.journal.rates()


def world(shim, _, query):
    """Members as the API shows them, and ours, which begin with `_`: an endpoint's `_addresses` by their IDs."""
    shim.pace.advance()
    found = shim.world(query["region"])
    shown_endpoints = [{**each, **endpoints.show(found, each)} for each in found.endpoints.values()]
    shown_rules = [{**each, **rules.show(found, each)} for each in found.rules.values()]
    return {**found.dump(), "endpoints": shown_endpoints, "rules": shown_rules}


def reset(shim, _, __):
    BackendDict.reset()
    reset_model_data()
    shim.forget()
    return {}


PATHS = {
    ("POST", "seed"): seed,
    ("POST", "settings"): settings,
    ("POST", "fault"): fault,
    ("POST", "force"): force,
    ("POST", "reset"): reset,
    ("GET", "journal"): journal,
    ("GET", "rate"): rate,
    ("GET", "world"): world,
}
