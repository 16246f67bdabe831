# The exchange, and the suite, in a container that is nobody's root.
#
#   docker build -t mockex .
#   docker run --rm -p 127.0.0.1:9443:9443 -p 127.0.0.1:9080:9080 mockex
#   docker run --rm --no-healthcheck -v "$PWD:/work" mockex conform my-adapter/
#
# docs/ci.md says more.

FROM golang:1.26-bookworm AS toxiproxy
# The version that the links were measured with; it is static, so it runs on any Linux.
ENV CGO_ENABLED=0
RUN go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0

FROM python:3.13-slim-bookworm AS wheels
WORKDIR /src
COPY ci/constraints.txt ci/constraints.txt
COPY pyproject.toml README.md LICENSE ./
COPY adapter adapter
COPY conformance conformance
COPY mockex mockex
RUN pip wheel --no-cache-dir --wheel-dir /wheels --constraint ci/constraints.txt ".[explore,tls]"

FROM python:3.13-slim-bookworm
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index /wheels/*.whl \
    && useradd --uid 10001 --create-home mockex \
    && install --directory --owner mockex /work
COPY --from=toxiproxy /go/bin/server /usr/local/bin/toxiproxy-server

# Streams and REST listen on every address of the container's own network: what of it is reached
# from outside is said by whoever publishes a port. The admin API stays inside.
ENV MOCKEX_SERVE_HOST=0.0.0.0 \
    MOCKEX_SERVE_PORT=9443 \
    MOCKEX_SERVE_REST_PORT=9080 \
    MOCKEX_SERVE_ADMIN_PORT=9090 \
    PYTHONUNBUFFERED=1
EXPOSE 9443 9080
USER 10001
WORKDIR /work
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9090/healthz', timeout=1)"]
ENTRYPOINT ["mockex"]
CMD ["serve"]
