/* Browsers start no worker for a page that was opened from a folder: there the search runs in a hidden frame. */
"use strict";

if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    #waiting = [];
    #scope = null;

    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const scope = frame.contentWindow;
      scope.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = scope.document.createElement("script");
      script.src = url;
      script.onload = () => this.#begin(scope);
      scope.document.body.append(script);
    }

    postMessage(data) {
      if (this.#scope === null) this.#waiting.push(data);
      else this.#scope.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {}

    #begin(scope) {
      this.#scope = scope;
      for (const data of this.#waiting.splice(0)) this.postMessage(data);
    }
  };
}
