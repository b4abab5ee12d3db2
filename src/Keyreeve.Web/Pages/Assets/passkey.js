"use strict";
// Asks the browser for a passkey and posts what it answers. Options and texts stand in the form; nothing is fetched.
(() => {
  if (!window.PublicKeyCredential) return;
  const decode = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0));
  const encode = octets => {
    let text = "";
    for (const octet of new Uint8Array(octets)) text += String.fromCharCode(octet);
    return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const withIds = list => (list || []).map(entry => ({ ...entry, id: decode(entry.id) }));

  const get = async options => {
    const credential = await navigator.credentials.get({
      publicKey: { ...options, challenge: decode(options.challenge), allowCredentials: withIds(options.allowCredentials) },
    });
    const response = credential.response;
    return {
      id: credential.id, rawId: encode(credential.rawId), type: credential.type, clientExtensionResults: {},
      response: {
        clientDataJSON: encode(response.clientDataJSON), authenticatorData: encode(response.authenticatorData),
        signature: encode(response.signature), userHandle: response.userHandle ? encode(response.userHandle) : null,
      },
    };
  };

  const create = async options => {
    const credential = await navigator.credentials.create({
      publicKey: {
        ...options, challenge: decode(options.challenge), user: { ...options.user, id: decode(options.user.id) },
        excludeCredentials: withIds(options.excludeCredentials),
      },
    });
    const response = credential.response;
    return {
      id: credential.id, rawId: encode(credential.rawId), type: credential.type, clientExtensionResults: {},
      response: {
        clientDataJSON: encode(response.clientDataJSON), attestationObject: encode(response.attestationObject),
        transports: response.getTransports ? response.getTransports() : [],
      },
    };
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const message = form.querySelector("[data-passkey-message]");
    const button = form.querySelector("button");
    form.hidden = false;
    form.addEventListener("submit", async event => {
      event.preventDefault();
      button.disabled = true;
      message.textContent = "";
      try {
        const options = JSON.parse(form.dataset.options);
        const credential = await (form.dataset.passkey === "create" ? create(options) : get(options));
        form.elements.namedItem("credential").value = JSON.stringify(credential);
        HTMLFormElement.prototype.submit.call(form);
      } catch {
        // Cancelled, timed out, or no passkey here: the browser does not tell which, on purpose.
        message.textContent = form.dataset.failed;
        button.disabled = false;
        button.focus();
      }
    });
  }
})();
