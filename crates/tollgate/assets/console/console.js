// Says when the page no longer hears from the gateway. Everything else is htmx's, or works without a script.
(() => {
  const offline = () => document.getElementById("offline");
  document.addEventListener("htmx:error", () => { if (offline()) offline().hidden = false; });
  document.addEventListener("htmx:after:request", () => { if (offline()) offline().hidden = true; });
})();
