// Search runs in a worker, which browsers refuse to a page that was opened from a file: there, a hidden frame does it.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      this.inside = this.frame.contentWindow
      this.inside.postMessage = data => this.send(window, structuredClone(data), () => this.onmessage)
      const script = this.inside.document.createElement("script")
      this.ready = new Promise((resolve, reject) => {
        script.onload = resolve
        script.onerror = () => reject(new Error(`${url} could not be loaded`))
      })
      this.ready.catch(error => this.onerror?.(Object.assign(new Event("error", { cancelable: true }), { error })))
      script.src = url
      this.inside.document.body.append(script)
    }
    postMessage(data) {
      const copy = this.inside.structuredClone(data)
      this.ready.then(() => this.send(this.inside, copy, () => this.inside.onmessage), () => {})
    }
    send(to, data, handler) { // as a worker does: a copy, later
      to.setTimeout(() => handler()?.(new to.MessageEvent("message", { data })))
    }
    terminate() {
      this.frame.remove()
    }
  }
}
