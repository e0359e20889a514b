"""The three dashboards, as their makers ship them, and how their pages log people in."""

import base64
import http.client
import tempfile
from contextlib import closing
from pathlib import Path

from programs import CACHE, Program, free_port

HERE = Path(__file__).resolve().parent


class Dashboard:
    """One that runs. Its users are alice and bob, who administer it, and carol; NAME-pass is NAME's password."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix=f"{self.name}-")
        self.port = free_port()
        self.programs = []
        self.start()
        self.programs[-1].until("is ready", self._is_ready)

    def run(self, name, *command, **environment):
        self.programs.append(Program(name, command, self.folder.name, HOME=self.folder.name, **environment))

    def stop(self):
        for program in reversed(self.programs):
            program.stop()
        self.folder.cleanup()

    def _is_ready(self):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            try:
                connection.request("GET", self.question)
                return connection.getresponse().status == self.nobody
            except (OSError, http.client.HTTPException):
                return False


class Gradio(Dashboard):
    name = "gradio"
    question, nobody = "/gradio_api/user", 200
    # What only users may ask for, and something that is in the answer.
    protected, inside = "/config", "Figures for users only"

    def start(self):
        python = CACHE / "gradio-6.31/bin/python"
        settings = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": 1, "GRADIO_TEMP_DIR": self.folder.name}
        self.run("gradio", python, "-B", HERE / "gradio/app.py", self.port, **settings)

    def log_in(self, visitor, person):
        assert visitor.send("/login", username=person, password=f"{person}-pass").status == 200


class RabbitMQ(Dashboard):
    name = "rabbitmq"
    question, nobody = "/api/whoami", 401
    protected, inside = "/api/vhosts", "harbor"

    def start(self):
        folder = Path(self.folder.name)
        ports = {"ERL_EPMD_PORT": free_port(), "RABBITMQ_DIST_PORT": free_port()}
        settings = {
            "listeners.tcp": "none",
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": self.port,
            "load_definitions": HERE / "rabbitmq/definitions.json",
            "log.console": "true",
        }
        (folder / "rabbitmq.conf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        (folder / "advanced.config").write_text("[{kernel, [{inet_dist_use_interface, {127,0,0,1}}]}].\n")
        (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        # RabbitMQ would start Erlang's port mapper itself, and leave it behind.
        self.run("epmd", "epmd", "-address", "127.0.0.1", "-port", ports["ERL_EPMD_PORT"])
        self.run(
            "rabbitmq",
            "/usr/lib/rabbitmq/bin/rabbitmq-server",  # The one in $PATH changes to a user of its own.
            **ports,
            ERL_EPMD_ADDRESS="127.0.0.1",
            RUNNING_UNDER_SYSTEMD="yes",  # One process, without a shell around it.
            RABBITMQ_NODENAME=f"tests-{self.port}@localhost",
            RABBITMQ_CONF_ENV_FILE=folder / "none",
            RABBITMQ_CONFIG_FILE=folder / "rabbitmq",
            RABBITMQ_ADVANCED_CONFIG_FILE=folder / "advanced.config",
            RABBITMQ_ENABLED_PLUGINS_FILE=folder / "enabled_plugins",
            RABBITMQ_MNESIA_BASE=folder / "data",
            RABBITMQ_LOG_BASE=folder / "log",
            RABBITMQ_LOGS="-",
            RABBITMQ_PID_FILE=folder / "pid",
        )

    def log_in(self, visitor, person):
        """The page keeps the password, and asks who that is."""
        visitor.script_fields = {"authorization": basic(person)}


def basic(person):
    return "Basic " + base64.b64encode(f"{person}:{person}-pass".encode()).decode()


class NodeRed(Dashboard):
    name = "node-red"
    question, nobody = "/settings", 401
    protected, inside = "/flows", '"label":"harbor"'

    def start(self):
        (Path(self.folder.name) / "flows.json").write_text((HERE / "node-red/flows.json").read_text())
        modules = CACHE / "node-red-4/node_modules"
        settings = ["--settings", HERE / "node-red/settings.js", "--userDir", self.folder.name, "--port", self.port]
        self.run("node-red", "node", modules / "node-red/red.js", *settings, BCRYPT=modules / "bcryptjs")

    def log_in(self, visitor, person):
        """The editor keeps a token in the browser's local storage."""
        login = {"client_id": "node-red-editor", "grant_type": "password", "scope": ""}
        answer = visitor.send("/auth/token", **login, username=person, password=f"{person}-pass")
        assert answer.status == 200, answer
        visitor.script_fields = {"authorization": f"Bearer {answer.json()['access_token']}"}
