"""What watches the server, without what it needs."""

import subprocess
import sys
import textwrap

import pytest

# The SDK cannot be found, as where the extra is not installed; OpenTelemetry's interface can.
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from orpheus_tts.settings import Settings
from orpheus_tts.telemetry import SpeechTelemetry, server_telemetry
"""


def run(script, **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_without_the_extra_there_is_one_warning_and_no_traces():
    script = WITHOUT + "print(server_telemetry(Settings()).tracer); SpeechTelemetry(Settings())"
    [warning, tracer] = run(script, OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4318")
    assert "pip install 'orpheus-tts[otel]'" in warning
    assert "None" == tracer
    assert ["None"] == run(script)


@pytest.mark.parametrize(("variable", "package"), [("TTS_METRICS", "prometheus_client"), ("", "opentelemetry.sdk")])
def test_what_is_not_asked_for_is_not_imported(variable, package):
    script = f"""
        import sys
        from orpheus_tts.settings import Settings
        from orpheus_tts.telemetry import SpeechTelemetry, server_telemetry
        server_telemetry(Settings()), SpeechTelemetry(Settings())
        print({package!r} in sys.modules)
    """
    assert ["False"] == run(script, **({variable: "false"} if variable else {}))
