"""What watches trainwright: dashboards for Grafana and the page of all metrics, generated from the code."""
