#!/usr/bin/env bash
# boto3 1.44.8, botocore 1.44.8
#
# Behavior: put_object sends another kind of request depending on the scheme of the endpoint.
# Over https the default checksum travels as a trailer of a chunked body without Content-Length;
# over http the same call sends a plain body with the checksum in a header. A store without trailers
# (older Ceph gateways answer 411) passes every test over http and fails over https.
# Expected: the scheme changes the transport and not the form of the S3 request.
# No request leaves the machine: a handler answers before it is sent.
#
# Seen:
#   http:  content-length 5, trailer None, content-encoding None
#   https: content-length None, trailer x-amz-checksum-crc32, content-encoding aws-chunked
#   https, when_required: content-length 5, trailer None, content-encoding None
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3.11 -m venv venv
venv/bin/pip install --quiet boto3==1.44.8 botocore==1.44.8
venv/bin/python - <<'PY'
import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config


class Empty:
    def stream(self, *args, **kwargs):
        return iter([b""])


def sent(scheme, **settings):
    client = boto3.client(
        "s3", endpoint_url=f"{scheme}://store.example", region_name="us-east-1",
        aws_access_key_id="key", aws_secret_access_key="secret", config=Config(**settings),
    )
    headers = {}

    def answer(request, **kwargs):
        for name, value in request.headers.items():
            headers[name.lower()] = value.decode() if isinstance(value, bytes) else value
        return AWSResponse(request.url, 200, {}, Empty())

    client.meta.events.register("before-send.s3", answer)
    client.put_object(Bucket="bucket", Key="key", Body=b"hello")
    return tuple(headers.get(name) for name in ("content-length", "x-amz-trailer", "content-encoding"))


http, https = sent("http"), sent("https")
required = sent("https", request_checksum_calculation="when_required")
for name, found in (("http: ", http), ("https:", https), ("https, when_required:", required)):
    print(f"{name} content-length {found[0]}, trailer {found[1]}, content-encoding {found[2]}")
assert http == ("5", None, None)
assert https == (None, "x-amz-checksum-crc32", "aws-chunked")
assert required == ("5", None, None)
PY
