// A page for trying the API. Without a validator's address, which would be told ours, nothing leaves this host.
window.ui = SwaggerUIBundle({ url: "openapi.json", dom_id: "#reference", deepLinking: true, validatorUrl: null });
