// Starts Swagger UI on the page of the REST interface.
const docs = document.getElementById("docs");
window.SwaggerUIBundle({
  url: docs.dataset.schema,
  domNode: docs,
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
