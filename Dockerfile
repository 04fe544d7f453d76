# Both programs and their tests, on one base. Dependencies come before the source, so that a change of the
# source rebuilds in seconds.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
RUN pip install --no-cache-dir --root-user-action=ignore uv
WORKDIR /app
COPY requirements requirements
RUN python -m venv --without-pip /venv \
    && uv pip install --no-cache --python /venv/bin/python --require-hashes -r requirements/runtime.txt

FROM build AS build-test
RUN uv pip install --no-cache --python /venv/bin/python --require-hashes -r requirements/dev.txt

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app

FROM base AS server
COPY --from=build /venv /venv
COPY socketscope socketscope
COPY server server
RUN python -m compileall -q socketscope server
USER 10001:10001
ENV SERVER_LISTEN=tcp://:21567 SERVER_METRICS=:9464
EXPOSE 21567 9464
ENTRYPOINT ["python", "-m", "server"]

FROM base AS client
COPY --from=build /venv /venv
COPY socketscope socketscope
COPY client client
RUN python -m compileall -q socketscope client
USER 10001:10001
ENV CLIENT_REPLAY_METRICS=:9465
EXPOSE 9465
ENTRYPOINT ["python", "-m", "client"]

FROM base AS test
COPY --from=build-test /venv /venv
COPY . .
ENTRYPOINT ["python", "-m", "pytest"]
CMD ["tests/unit", "tests/faults"]
