"""A real browser without a window, told what to do over the DevTools protocol."""

import json
import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import websocket

from .process import start
from .until import until

_OPTIONS = [
    "--headless",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    # Whoever runs the tests may be root, and what is opened is ours.
    "--no-sandbox",
    # A container may have little of it.
    "--disable-dev-shm-usage",
    # Nothing leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
]


class Browser:
    """Chromium with a profile of its own."""

    def __init__(self, folder):
        folder.mkdir()
        command = ["chromium", *_OPTIONS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
        with (folder / "log").open("wb") as log:
            self.process = start(command, stdout=log, stderr=subprocess.STDOUT)
        told = folder / "profile" / "DevToolsActivePort"
        port = lambda: int(told.read_text().split()[0])
        self.port = until(port, f"the browser is up; see {folder}/log", 60)

    def page(self, url):
        """A new page, that is there whole."""
        address = f"http://127.0.0.1:{self.port}/json/new?about:blank"
        with urllib.request.urlopen(urllib.request.Request(address, method="PUT"), timeout=30) as answer:
            page = Page(json.load(answer)["webSocketDebuggerUrl"])
        page.open(url)
        return page

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=30)


class Page:
    """One page of a browser."""

    def __init__(self, url):
        # Without an origin: the browser lets no web page in here.
        self.socket = websocket.create_connection(url, timeout=60, suppress_origin=True)
        self.count = 0

    def ask(self, method, **parameters):
        """Asks for something, and passes over events until the answer comes."""
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while True:
            told = json.loads(self.socket.recv())
            if told.get("id") == self.count:
                assert "error" not in told, (method, told["error"])
                return told["result"]

    def open(self, url):
        self.ask("Page.navigate", url=url)
        until(lambda: self.run("document.readyState == 'complete' && location.href") == url, url)

    def run(self, script):
        """What a script gives, in this page and with its origin; a promise is waited for."""
        wish = {"expression": script, "awaitPromise": True, "returnByValue": True}
        told = self.ask("Runtime.evaluate", **wish)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def choose(self, selector, file):
        """Chooses a file for an input, as a person does in the dialogue."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def click(self, selector):
        """Presses and releases the mouse on the middle of an element."""
        place = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        x, y = self.run(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({place})")
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


class WebServer:
    """Serves pages by their paths; each server is an origin of its own."""

    def __init__(self):
        self.pages = pages = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                page = pages.get(self.path.partition("?")[0])
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write((page or "").encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
