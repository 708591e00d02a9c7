"""What watches a running service: Prometheus' rules, and Grafana's dashboards, which are made by code.

`panels` is the form that all dashboards share, each module of `pages` one dashboard, `python -m deploy.monitoring` writes
them into `grafana/dashboards`, where Grafana finds them. The rules are Prometheus' own YAML, below `rules`.
"""
