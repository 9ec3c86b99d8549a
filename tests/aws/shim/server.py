"""The front: tells by a call's signature which service it is for, lets faults befall it, keeps the record, and hands
to moto what isn't ours. One call is worked on at a time.
"""

import io
import json
import socket
import struct
import threading
import uuid
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request, Response

from . import control, endpoints, model, query_logs, ram, rules, settings, vpn
from .errors import AwsError
from .faults import Faults, Journal, Throttle
from .pace import Pace
from .world import QUOTAS, World

RESOLVER = endpoints.OPERATIONS | rules.OPERATIONS | settings.OPERATIONS | query_logs.OPERATIONS


class Shim:
    def __init__(self, ms):
        self.ms = ms
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self.forget()

    def forget(self):
        """All of ours as at the start; moto's own state is reset by `control`."""
        self.worlds, self.faults, self.throttle, self.journal = {}, Faults(), Throttle(), Journal()
        self.pace, self.quotas = Pace(self.ms), dict(QUOTAS)

    def world(self, region):
        if region not in self.worlds:
            self.worlds[region] = World(region, self.pace, self.quotas)
        return self.worlds[region]

    def __call__(self, environ, start_response):
        request = Request(environ)
        body = request.get_data()
        environ["wsgi.input"] = io.BytesIO(body)
        if request.path.startswith("/shim/"):
            with self.lock:
                return control.answer(self, request, body)(environ, start_response)
        return self.aws(request, body)(environ, start_response)

    def aws(self, request, body):
        region, service = scope(request)
        call = Call(self, service, region, request, body)
        with self.lock:
            entry = self.journal.arrived(service, region, call.operation, call.told_arguments())
            world = self.world(region)
            self.pace.advance()
            world.count_attached()
            fault = self.faults.befalls(call.operation)
            response = self.limited(call, entry, fault, world)
            entry["attached"] = world.count_attached()
            entry["fault"] = fault and fault.kind
        if fault and fault.kind in ("silence", "cut"):
            self.hang_up(request.environ, fault)
        return response

    def limited(self, call, entry, fault, world):
        """The answer as it will be sent, once throttling and the fault had their say."""
        if call.service == "route53resolver" and not self.throttle.lets_pass():
            # Route 53 Developer Guide, quotas on API requests.
            return call.refused(AwsError("ThrottlingException", "Rate exceeded"), entry)
        response = None
        if fault is None or fault.carried_out:
            entry["carried_out"] = True
            response = call.carried_out(world, entry)
        if fault and fault.kind == "status":
            entry["status"] = fault.status
            return Response("<html><body>fault on demand</body></html>", fault.status, mimetype="text/html")
        if fault and fault.kind == "exception":
            return call.refused(AwsError(fault.code, fault.message, fault.status), entry)
        if fault:
            entry["status"] = 0
        return response

    def hang_up(self, environ, fault):
        if fault.kind == "silence":
            self.closing.wait(fault.seconds)
        connection = environ["werkzeug.socket"]
        # A reset, as a middlebox that forgot the connection sends it.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError("fault on demand")


def scope(request):
    """Region and service of a Signature Version 4 credential scope: KEY/DATE/REGION/SERVICE/aws4_request."""
    authorization = request.headers.get("Authorization", "")
    parts = authorization.partition("Credential=")[2].split(",")[0].split("/")
    return (parts[2], parts[3]) if len(parts) == 5 else ("us-east-1", "unsigned")


class Call:
    """One call to AWS, in the protocol of its service."""

    def __init__(self, shim, service, region, request, body):
        self.shim, self.service, self.region, self.request, self.body = shim, service, region, request, body
        self.form = MultiDict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        target = request.headers.get("X-Amz-Target", "")
        if target:
            self.operation = target.rpartition(".")[2]
        elif service == "ram":
            self.operation = ram.PATHS.get(request.path.strip("/"), request.path)
        else:
            self.operation = self.form.get("Action") or f"{request.method} {request.path}"

    def told_arguments(self):
        if self.form.get("Action"):
            return {name: value for name, value in self.form.items() if name not in ("Action", "Version")}
        try:
            return {**json.loads(self.body or b"{}"), **self.request.args}
        except ValueError:
            return {"body": self.body.decode(errors="replace")}

    def carried_out(self, world, entry):
        try:
            if self.service == "route53resolver":
                return self.as_json(self.resolver(world), entry)
            if self.service == "ram":
                return self.as_json(self.ram(world), entry, "application/json")
            if self.service == "ec2":
                return self.ec2(world, entry)
            return self.by_moto(entry)
        except AwsError as refusal:
            return self.refused(refusal, entry)

    def resolver(self, world):
        if self.operation not in RESOLVER:
            # What AWS answers to an operation that it doesn't have; here also to those that the shim lacks.
            raise AwsError("UnknownOperationException", f"The shim has no {self.operation}")
        arguments = model.json_arguments("route53resolver", self.operation, self.body)
        return RESOLVER[self.operation](world, arguments)

    def ram(self, world):
        if self.operation not in ram.OPERATIONS:
            raise AwsError("UnknownOperationException", f"The shim has no {self.operation}")
        return ram.OPERATIONS[self.operation](world, self.told_arguments())

    def ec2(self, world, entry):
        if self.form.get("DryRun") == "true":
            # EC2 API Reference, DryRun: told by an error. moto carries some of them out.
            raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        if self.operation not in vpn.OPERATIONS:
            world.network.refuse_deletion(self.operation, self.form)
            vpn.refuse_deletion(world, self.operation, self.form)
            return self.by_moto(entry)
        arguments = model.query_arguments(self.operation, self.form)
        result = vpn.OPERATIONS[self.operation](world, arguments)
        entry["status"], entry["result"] = 200, result
        return Response(model.query_answer(self.operation, result), 200, content_type="text/xml;charset=UTF-8")

    def as_json(self, result, entry, content_type="application/x-amz-json-1.1"):
        entry["status"], entry["result"] = 200, result
        return Response(json.dumps(result), 200, content_type=content_type, headers=request_id())

    def by_moto(self, entry):
        response = Response.from_app(self.shim.moto, self.request.environ, buffered=True)
        entry["status"] = response.status_code
        return response

    def refused(self, refusal, entry):
        entry["status"], entry["error"], entry["message"] = refusal.status, refusal.code, refusal.message
        if self.service == "ec2":
            identity = uuid.uuid4()
            told = (f"<Response><Errors><Error><Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}"
                    f"</Message></Error></Errors><RequestID>{identity}</RequestID></Response>")
            return Response(told, refusal.status, content_type="text/xml;charset=UTF-8")
        if self.service == "sts":
            # STS API Reference, common errors: the query protocol's XML.
            told = (f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(refusal.code)}</Code><Message>"
                    f"{escape(refusal.message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>")
            return Response(told, refusal.status, content_type="text/xml")
        if self.service == "ram":
            # REST with JSON: the exception's name is in a header.
            headers = {"x-amzn-ErrorType": refusal.code, **request_id()}
            return Response(json.dumps({"message": refusal.message}), refusal.status, content_type="application/json",
                            headers=headers)
        # Resolver API model: the exceptions' member is `Message`. Rate limits come from the front, which says
        # `message`, as it does for ValidationException: clients must read both.
        member = "message" if refusal.code in ("ValidationException", "ThrottlingException") else "Message"
        told = {"__type": refusal.code, member: refusal.message, **refusal.fields}
        return Response(json.dumps(told), refusal.status, content_type="application/x-amz-json-1.1",
                        headers=request_id())


def request_id():
    return {"x-amzn-RequestId": str(uuid.uuid4())}
