"""A network camera on loopback that shows red, for the tests: GStreamer's RTSP server, run by the system's Python.

`/usr/bin/python3 tests/rtsp_camera.py PORT` says "ready" and serves `rtsp://127.0.0.1:PORT/camera` until it is killed.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = (
    "( videotestsrc is-live=true pattern=red ! video/x-raw,format=I420,width=160,height=120,framerate=10/1"
    " ! jpegenc ! rtpjpegpay name=pay0 pt=26 )"
)

Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(PIPELINE)
factory.set_shared(True)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
server.get_mount_points().add_factory("/camera", factory)
if not server.attach(None):
    sys.exit(f"port {sys.argv[1]} is taken")
print("ready", flush=True)
GLib.MainLoop().run()
