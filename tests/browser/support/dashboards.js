// The dashboards that stand behind the gateway, and what the gateway is told about them.

import { readFileSync } from "node:fs";
import path from "node:path";

import { ROOT, TARGET } from "./places.js";
import { Program } from "./programs.js";

const PYTHON = path.join(TARGET, "tests", "django", "bin", "python");

/** Django's admin with users of two organizations, and a view that says who is logged in. */
export const twoOrganizations = {
  start: (folder) => new Program(PYTHON, ["-B", path.join(ROOT, "tests/dashboards/django/site.py"), folder]),
  configuration: ({ address, folder, requirement, guard }) => `
[server]
listen = ["127.0.0.1:0"]

[operations]
listen = "127.0.0.1:0"

[store]
url = "sqlite:${folder}/vestibule.db"
key_file = "${folder}/vestibule.key"

[totp]
issuer = "Acme Insights"

[[site]]
name = "django"
hosts = ["127.0.0.1"]
upstream = "${address}"
public = ["/admin/login/", "/static/*"]
login = "/admin/login/?next={next}"
logout = ["/admin/logout/"]
after_logout = "/admin/login/"
bind = "cookie:sessionid"

[site.identity]
source = "probe"
url = "/whoami/"
user = "/id"
email = "/email"
name = "/username"
organization = "/organization"
admin = { pointer = "/role", any = ["admin"] }

[site.organization]
requirement = "${requirement}"

[site.enrollment]
guard = "${guard}"
`,
};

/** Django's admin as it comes, configured as in `examples/django`. */
export const unmodified = {
  start: (folder) => new Program(PYTHON, ["-B", path.join(ROOT, "examples/django/project.py"), folder, "0"]),
  configuration: ({ address, folder }) =>
    [
      ["127.0.0.1:8400", "127.0.0.1:0"],
      ["127.0.0.1:8480", "127.0.0.1:0"],
      ["http://127.0.0.1:8401", address],
      ["sqlite:vestibule.db", `sqlite:${folder}/vestibule.db`],
      ['"vestibule.key"', `"${folder}/vestibule.key"`],
    ].reduce(replaceOnce, readFileSync(path.join(ROOT, "examples/django/vestibule.toml"), "utf8")),
};

function replaceOnce(text, [old, present]) {
  const parts = text.split(old);
  if (parts.length !== 2) throw new Error(`examples/django/vestibule.toml has ${old} ${parts.length - 1} times`);
  return parts.join(present);
}
