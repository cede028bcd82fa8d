"""A TCP proxy that delays, limits, swallows one way and cuts: the links of tests go through it."""

import asyncio
import threading
import time


class Proxy:
    """Forwards 127.0.0.1:`port` to 127.0.0.1:`target` in a thread of its own.

    `delay` is seconds each way; `rate` is bytes a second each way, over all connections;
    `swallow` names the ways ("up": to the target, "down": back) on which bytes vanish.
    """

    def __init__(self, target, port=0):
        self.target, self.port = target, port
        self.delay, self.rate, self.swallow = 0.0, None, set()
        self.carried = {"up": 0, "down": 0}
        self._free_at = {"up": 0.0, "down": 0.0}
        self._writers = set()
        started = threading.Event()
        run = lambda: asyncio.run(self._main(started))
        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        started.wait()

    async def _main(self, started):
        """Until it is told to end; what still runs then is cancelled with the loop."""
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._ended.wait()
        server.close()

    async def _accept(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, up_writer}
        ways = self._carry(reader, up_writer, "up"), self._carry(up_reader, writer, "down")
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (writer, up_writer):
            end.transport.abort()
            self._writers.discard(end)

    async def _carry(self, reader, writer, way):
        """One way: a reader that stamps, and a writer that waits until each piece is due."""
        pieces = asyncio.Queue(maxsize=64)

        async def deliver():
            while (piece := await pieces.get()) is not None:
                due, data = piece
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if way not in self.swallow:
                    writer.write(data)
                    await writer.drain()
            writer.write_eof()

        delivery = asyncio.ensure_future(deliver())
        try:
            while data := await reader.read(16_384):
                self.carried[way] += len(data)
                due = time.monotonic()
                if self.rate:
                    self._free_at[way] = max(self._free_at[way], due) + len(data) / self.rate
                    due = self._free_at[way]
                await pieces.put((due + self.delay, data))
            await pieces.put(None)
            await delivery
        finally:
            delivery.cancel()

    def cut(self):
        """Breaks every connection; new ones are taken."""

        def abort():
            for writer in list(self._writers):
                writer.transport.abort()

        self._loop.call_soon_threadsafe(abort)

    def close(self):
        """Ends the proxy with all its connections."""
        self.cut()
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(timeout=5)
