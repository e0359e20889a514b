"""A Django project in one file: Django's own admin, and a view that says who is logged in.

`python site.py FOLDER` keeps its database in FOLDER, listens on a free port and prints it.
"""

import sys
from pathlib import Path

import django
from django.conf import settings

FOLDER = Path(sys.argv[1])

settings.configure(
    SECRET_KEY="for tests alone",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "django.db"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    # Logging in is not what is tested: no time for a real hash.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    STATIC_URL="/static/",
    USE_TZ=True,
    INSTALLED_APPS=[
        f"django.contrib.{app}" for app in ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
)
django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.servers.basehttp import run  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

PEOPLE = [
    ("alice", "acme", "admin"),
    ("bob", "acme", "member"),
    ("carol", "globex", "member"),
    ("dave", "globex", "admin"),
]


def whoami(request):
    user = request.user
    if not user.is_authenticated:
        return JsonResponse({"error": "nobody is logged in"}, status=401)
    return JsonResponse(
        {
            "id": user.pk,
            "username": user.username,
            "email": user.email,
            "role": "admin" if user.is_superuser else "member",
            "organization": user.groups.get().name,
        }
    )


urlpatterns = [path("whoami/", whoami), path("admin/", admin.site.urls)]


def add_people():
    for name, organization, role in PEOPLE:
        user = User.objects.create_user(
            name, f"{name}@{organization}.example", f"{name}-pass", is_staff=True, is_superuser=role == "admin"
        )
        user.groups.add(Group.objects.get_or_create(name=organization)[0])
        user.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "view_group"]))


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    add_people()
    run(
        "127.0.0.1",
        0,
        StaticFilesHandler(get_wsgi_application()),
        threading=True,
        on_bind=lambda port: print(f"http://127.0.0.1:{port}", flush=True),
    )
