# SPDX-License-Identifier: Apache-2.0
"""libsendfleet as an application meets it: installed somewhere, found by pkg-config and by CMake, built against, run.

usage: install_test.py CMAKE BUILD LIBDIR MOCKBROKER [compiler flags]
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

CMAKE, BUILD, LIBDIR, MOCKBROKER, *FLAGS = sys.argv[1:]
HERE = os.path.dirname(os.path.abspath(__file__))
TOPICS = "sendfleet.main:2,sendfleet.main.critical:1,sendfleet.main.bulk:1"


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="sendfleet-library.")
        cls.addClassCleanup(cls.directory.cleanup)
        # A prefix the build was not configured for: nothing may depend on that one.
        cls.prefix = os.path.join(cls.directory.name, "prefix")
        cls.libraries = os.path.join(cls.prefix, LIBDIR)
        run(CMAKE, "--install", BUILD, "--prefix", cls.prefix, "--component", "library")
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SENDFLEET_")}
        cls.environment = dict(clean, LD_LIBRARY_PATH=cls.libraries, PKG_CONFIG_PATH=os.path.join(cls.libraries, "pkgconfig"))
        cls.broker = subprocess.Popen([MOCKBROKER, "--topics", TOPICS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.address = cls.broker.stdout.readline().strip()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stdin.close()
        cls.broker.wait(10)
        cls.broker.stdout.close()

    def publish(self, program, address, *arguments):
        return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60,
                              env=dict(self.environment, SENDFLEET_KAFKA__BOOTSTRAP_SERVERS=address))

    def check(self, program):
        done = self.publish(program, self.address)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, "published=1000 refused=1 failed=0 left=0 reason=to: has no '@'\n", ""))

    def build_with_pkg_config(self, source, *compiler):
        program = os.path.join(self.directory.name, os.path.basename(source).replace(".", "_"))
        flags = run("pkg-config", "--cflags", "--libs", "sendfleet", env=self.environment).split()
        run(*compiler, *FLAGS, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", program, os.path.join(HERE, "application", source), *flags)
        return program

    def test_an_application_built_with_pkg_config_publishes(self):
        self.check(self.build_with_pkg_config("publish.c", "cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L"))
        self.assertEqual(run("pkg-config", "--modversion", "sendfleet", env=self.environment), "0.1.0\n")

    def test_an_application_built_with_cmake_publishes(self):
        build = os.path.join(self.directory.name, "build")
        flags = " ".join(FLAGS)
        run(CMAKE, "-S", os.path.join(HERE, "application"), "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_C_FLAGS={flags}", f"-DCMAKE_CXX_FLAGS={flags}")
        run(CMAKE, "--build", build)
        self.check(os.path.join(build, "publish"))
        run(os.path.join(build, "compiles"), env=self.environment)

    def test_the_header_is_fit_for_cpp(self):
        run(self.build_with_pkg_config("compiles.cpp", "c++", "-std=c++11"), env=self.environment)

    def test_without_a_broker_opening_says_so(self):
        program = self.build_with_pkg_config("publish.c", "cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L")
        done = self.publish(program, "127.0.0.1:1")
        self.assertEqual(done.returncode, 69)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("127.0.0.1:1", done.stderr)

    def test_a_wrong_configuration_is_named(self):
        program = self.build_with_pkg_config("publish.c", "cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump({"prefx": "x"}, f)
            f.flush()
            done = self.publish(program, self.address, f.name)
        self.assertEqual(done.returncode, 69)
        self.assertIn("prefix", done.stderr)

    def test_only_its_own_names_are_exported_and_needed(self):
        library = os.path.join(self.libraries, "libsendfleet.so")
        symbols = [line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines()]
        self.assertEqual(sorted(symbols), ["sendfleet_close", "sendfleet_fd", "sendfleet_flush", "sendfleet_open", "sendfleet_poll",
                                           "sendfleet_publish"])
        needed = [line.split()[-1].strip("[]") for line in run("readelf", "-d", library).splitlines() if "(NEEDED)" in line]
        for name in needed:
            self.assertFalse(name.startswith(("libhiredis", "libevent", "libcurl", "libcares")), f"{name} is not needed to publish")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
