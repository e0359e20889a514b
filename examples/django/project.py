"""Makes a Django project as `django-admin startproject` does, changes nothing in it, and serves it.

`python project.py FOLDER PORT` needs an empty folder; with port 0 it takes a free one.
"""

import os
import subprocess
import sys

folder, port = sys.argv[1:]

PEOPLE = """
from django.contrib.auth.models import Permission, User
User.objects.create_superuser("alice", "alice@office.example", "alice-pass")
for name in ("bob", "carol"):
    user = User.objects.create_user(name, f"{name}@office.example", f"{name}-pass", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_user"))
"""


def python(*arguments):
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True)


python("-m", "django", "startproject", "office", ".")
python("manage.py", "migrate", "--verbosity", "0")
python("manage.py", "shell", "--verbosity", "0", "--command", PEOPLE)

os.chdir(folder)
os.execv(sys.executable, [sys.executable, "-u", "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"])
