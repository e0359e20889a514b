// Node-RED with its own login. `node-red --settings settings.js --userDir FOLDER --port PORT` serves it.

const bcrypt = require(process.env.BCRYPT);

const user = (username, permissions) => ({ username, password: bcrypt.hashSync(`${username}-pass`, 4), permissions });

module.exports = {
  uiHost: "127.0.0.1",
  flowFile: "flows.json",
  credentialSecret: "for tests alone",
  adminAuth: { type: "credentials", users: [user("alice", "*"), user("bob", "*"), user("carol", "read")] },
  httpNodeRoot: "/hooks",
  telemetry: { enabled: false, updateNotification: false },
  editorTheme: { tours: false, palette: { catalogues: [] } },
  externalModules: { palette: { allowInstall: false } },
};
