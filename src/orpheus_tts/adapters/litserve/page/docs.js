// Shows the server's own description of its API.

const place = document.getElementById('swagger-ui');

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.url,
  deepLinking: true,
  showExtensions: true,
  validatorUrl: null, // it would send the description elsewhere
});
