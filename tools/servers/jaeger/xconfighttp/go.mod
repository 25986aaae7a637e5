module go.opentelemetry.io/collector/config/confighttp/xconfighttp

go 1.25.0
