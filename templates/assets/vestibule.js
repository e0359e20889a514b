// Makes the pages a little more comfortable. Without it they work just as well.
"use strict";

const all = (selector) => Array.from(document.querySelectorAll(selector));
const digits = (text) => text.replace(/[\s-]/g, "");

// What only works with this script is shown only with it.
for (const element of all("[data-with-script]")) element.hidden = false;

// Times in the reader's own zone; the title keeps UTC.
for (const time of all("time[data-local]")) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) continue;
  time.title = `${time.dateTime.replace("T", " ").replace("Z", "")} UTC`;
  const clock = time.dataset.local === "date" ? {} : { timeStyle: "short" };
  time.textContent = at.toLocaleString("en-GB", { dateStyle: "medium", ...clock });
}
for (const time of all("time[data-clock]")) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime()) || at.getTimezoneOffset() === 0) continue;
  time.append(` (${at.toLocaleTimeString("en-GB")} where you are)`);
}

// A form is sent once: by its button, or as soon as six digits are in its code field.
for (const form of all("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    if (form.method === "post") form.dataset.sent = "yes";
  });
}
for (const form of all("form[data-auto-submit]")) {
  const field = form.elements.namedItem("code");
  field.addEventListener("input", () => {
    const waiting = document.querySelector("[data-countdown]:not([hidden])");
    if (/^[0-9]{6}$/.test(digits(field.value)) && !form.dataset.sent && !waiting) form.requestSubmit();
  });
}
// Back from the next page: the form may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of all("form[data-sent]")) delete form.dataset.sent;
});

// The wait after too many tries.
for (const timer of all("[data-countdown]")) {
  const end = Date.now() + Number(timer.dataset.countdown) * 1000;
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    timer.hidden = left === 0;
    timer.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (left > 0) return;
    clearInterval(running);
    timer.parentElement.querySelector("[data-countdown-end]").textContent = "You can try again now.";
  };
  const running = setInterval(tick, 500);
  tick();
}

// Copy, download, print.
const codesOf = (list) => Array.from(list.querySelectorAll("li"), (item) => item.textContent.trim());
const textOf = (element) =>
  element.matches("ol") ? codesOf(element).join("\n") + "\n" : element.textContent.replace(/\s/g, "");

const say = (button, text) => {
  const label = button.querySelector("span");
  const before = button.dataset.label || (button.dataset.label = label.textContent);
  label.textContent = text;
  setTimeout(() => (label.textContent = before), 2000);
};

for (const button of all("[data-copy]")) {
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    const source = document.querySelector(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(textOf(source));
      say(button, "Copied");
    } catch {
      // No leave to write to the clipboard: what is to be copied is marked instead.
      getSelection().selectAllChildren(source);
      say(button, "Marked");
    }
  });
}
for (const button of all("[data-download]")) {
  button.addEventListener("click", () => {
    const list = document.querySelector(button.dataset.download);
    const text = `${list.dataset.about}\nEach code works once.\n\n${textOf(list)}`;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = button.dataset.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    say(button, "Downloaded");
  });
}
for (const button of all("[data-print]")) button.addEventListener("click", () => window.print());

// A message is said aloud when it comes to a page, not when it was there from the start.
for (const snackbar of all("[data-snackbar]")) {
  const text = snackbar.querySelector("p");
  const content = Array.from(text.childNodes);
  text.replaceChildren();
  setTimeout(() => text.replaceChildren(...content), 100);
  snackbar.querySelector("[data-dismiss]").addEventListener("click", (event) => {
    event.preventDefault();
    history.replaceState(null, "", event.currentTarget.href);
    snackbar.remove();
  });
}

// A dialog keeps the focus, and Escape goes where its way back leads.
for (const dialog of all("dialog[open]")) {
  dialog.removeAttribute("open");
  dialog.showModal();
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    location.assign(dialog.dataset.cancel);
  });
  dialog.addEventListener("keydown", (event) => {
    const stops = Array.from(dialog.querySelectorAll("a[href], button, input:not([type=hidden])"));
    const [from, to] = event.shiftKey ? [stops.at(0), stops.at(-1)] : [stops.at(-1), stops.at(0)];
    if (event.key !== "Tab" || document.activeElement !== from) return;
    event.preventDefault();
    to.focus();
  });
}

// What is locked draws the eye to the reason when it is pressed.
for (const button of all("button[aria-disabled=true]")) {
  button.addEventListener("click", () => {
    const reason = document.getElementById(button.getAttribute("aria-describedby"));
    reason.classList.remove("shaken");
    requestAnimationFrame(() => reason.classList.add("shaken"));
  });
}
