"""What `make chart` and `make release-check` look at: the chart, the alerts, the dashboard, the image. See __main__."""
