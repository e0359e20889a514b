const ticks = document.getElementById("ticks");
new EventSource("/api/events").onmessage = (event) => {
  ticks.textContent = JSON.parse(event.data).tick;
};
