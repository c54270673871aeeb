// Validates a Swagger document: node swagger.mjs FILE
import SwaggerParser from '@apidevtools/swagger-parser'

const api = await SwaggerParser.validate(process.argv[2], { resolve: { external: false } })
console.log(Object.keys(api.paths).length)
