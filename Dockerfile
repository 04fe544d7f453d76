# Both programs and their tests on one base, and Prometheus, Grafana and Alertmanager with their configuration.
# Dependencies come before the source, so that a change of the source rebuilds in seconds.
ARG PYTHON_IMAGE=python:3.13-slim-trixie
ARG PROMETHEUS_IMAGE=prom/prometheus:v3.13.5
ARG GRAFANA_IMAGE=grafana/grafana:13.2.3
ARG ALERTMANAGER_IMAGE=prom/alertmanager:v0.35.0

# The image's user must be able to read it, whatever the umask under which the clone was made.
FROM ${PYTHON_IMAGE} AS source
COPY . /source
RUN chmod -R u=rwX,go=rX /source

FROM ${PYTHON_IMAGE} AS build
WORKDIR /app
COPY requirements requirements
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --require-hashes -r requirements/runtime.txt

FROM build AS build-test
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes -r requirements/dev.txt

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app

FROM base AS server
COPY --from=build /venv /venv
COPY --from=source /source/socketscope socketscope
COPY --from=source /source/server server
RUN python -m compileall -q socketscope server
USER 10001:10001
ENV SERVER_LISTEN=tcp://:21567 SERVER_METRICS=:9464
EXPOSE 21567 9464
ENTRYPOINT ["python", "-m", "server"]

FROM base AS client
COPY --from=build /venv /venv
COPY --from=source /source/socketscope socketscope
COPY --from=source /source/client client
RUN python -m compileall -q socketscope client
USER 10001:10001
ENV CLIENT_REPLAY_METRICS=:9465
EXPOSE 9465
ENTRYPOINT ["python", "-m", "client"]

FROM base AS test
COPY --from=build-test /venv /venv
COPY --from=source /source .
RUN python -m compileall -q socketscope server client
ENTRYPOINT ["python", "-m", "pytest"]
CMD ["tests/unit", "tests/faults"]

FROM ${PROMETHEUS_IMAGE} AS prometheus
COPY --from=source /source/prometheus /etc/prometheus

FROM ${GRAFANA_IMAGE} AS grafana
COPY --from=source /source/grafana/provisioning /etc/grafana/provisioning
COPY --from=source /source/grafana/dashboards /var/lib/grafana-dashboards

FROM ${ALERTMANAGER_IMAGE} AS alertmanager
COPY --from=source /source/alertmanager/alertmanager.yml /etc/alertmanager/alertmanager.yml

FROM base AS receiver
COPY --from=source /source/alertmanager alertmanager
USER 10001:10001
ENTRYPOINT ["python", "-m", "alertmanager.receiver"]
